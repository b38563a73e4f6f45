"""Files over SSH: sftp packets and scp records as operations that are judged one by one."""
