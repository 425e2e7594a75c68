"""What a person types: `tenfold …`."""
