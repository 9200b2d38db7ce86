"""Gradients of convolutions, as layers: the sizes are those of the forward convolution.

    op                       computes, of y = conv2d(x, w)          from
    conv2d_input_gradient    the gradient by x; a transposed        that by y, and w
                             convolution is one, too
    conv2d_weight_gradient   the gradient by w                      x, and that by y

Each takes as many FLOPs as the forward convolution and moves as many bytes, and yet other programs
compute it: on a CPU XLA takes up to nine times as long for the gradient by the weights of a 1x1
convolution. The gradients of a dense layer are dense layers.
"""

CONV2D_GRADIENTS = ("conv2d_input_gradient", "conv2d_weight_gradient")
BY_INPUT, BY_WEIGHTS = 1, 2  # `Workload.gradient`; 0 is a forward layer
