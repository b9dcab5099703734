vcl 4.1;

# The built-in rules suit media: streaming is on, and only what has a cookie or a Vary is treated specially.
backend store {
    .host = "127.0.0.1";
    .port = "@{store_port}";
}

sub vcl_backend_response {
    set beresp.ttl = 1h;
}
