# SPDX-License-Identifier: BSD-2-Clause
# A CGI script in Perl: returns its environment.
print "Content-Type: text/plain\r\n\r\n";
print "$_=$ENV{$_}\n" for keys %ENV;
