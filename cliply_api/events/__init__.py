"""What happens in a workspace, as it happens: an event stream, sockets of single uploads, and the tickets that open them."""
