# SPDX-License-Identifier: BSD-2-Clause
# A CGI script in Perl: gives back its environment.
print "Content-Type: text/plain\r\n\r\n";
print "$_=$ENV{$_}\n" for keys %ENV;
