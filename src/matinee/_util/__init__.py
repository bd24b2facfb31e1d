"""What every package uses and none owns: best rows, atomic files, progress, signals, versions."""
