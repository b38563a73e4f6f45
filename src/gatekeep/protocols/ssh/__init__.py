"""SSH without sockets: what commands mean, what a terminal shows, what sftp packets ask for."""
