"""What every room uses: errors, files and paths, the environment, the terminal."""
