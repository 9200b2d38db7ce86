"""What every room uses: wording of errors, files, range checks, precision."""
