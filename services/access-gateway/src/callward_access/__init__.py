"""The access gateway: the one door through which a person sees or hears anything."""
