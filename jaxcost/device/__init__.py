"""What is looked up: a device's facts, this machine's, and those of known hardware."""

from jaxcost.device.record import GIB, KIB, MIB, Device, MemoryLevel, detect_device, device, presets

__all__ = ["GIB", "KIB", "MIB", "Device", "MemoryLevel", "detect_device", "device", "presets"]
