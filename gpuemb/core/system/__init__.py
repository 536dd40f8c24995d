"""What an operating system grants a process: control groups, macOS's memory and BLAS."""
