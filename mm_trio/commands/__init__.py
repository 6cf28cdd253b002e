"""What each command does, below the arguments and above everything else."""
