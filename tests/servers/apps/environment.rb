# SPDX-License-Identifier: BSD-2-Clause
# A CGI script in Ruby: returns its environment.
print "Content-Type: text/plain\r\n\r\n"
ENV.each { |name, value| print "#{name}=#{value}\n" }
