"""What a virtual user talks through, and the recorder that counts it. No gevent here: it works under plain unittest."""
