vcl 4.1;
import directors;
import std;

probe alive { .url = "/alive"; .expected_response = 204; .interval = 500ms; .timeout = 1s; .window = 3; .threshold = 2; .initial = 2; }
backend web1 { .host = "@WEB1@"; .probe = alive; .connect_timeout = 1s; .first_byte_timeout = 30s; }
backend web2 { .host = "@WEB2@"; .probe = alive; .connect_timeout = 1s; .first_byte_timeout = 30s; }
# The buttons of the page.
backend control { .host = "@CONTROL@"; }
acl ezdfs_purgers { "@NETWORK@"/24; }

sub vcl_init {
    new nodes = directors.round_robin();
    nodes.add_backend(web1);
    nodes.add_backend(web2);
}

sub vcl_recv {
    # One site, by whatever address.
    set req.http.host = "www.example.com";
    set req.backend_hint = nodes.backend();
    if (req.url ~ "^/cluster/") {
        set req.backend_hint = control;
        return (pass);
    }
}

# What one node cannot answer another one may: its mount hangs, its database is out of reach.
sub vcl_backend_fetch {
    if (bereq.retries > 0) {
        set bereq.backend = nodes.backend();
    }
}
sub vcl_backend_response {
    if (bereq.http.x-ezdfs && beresp.status == 503 && bereq.retries < 2) {
        return (retry);
    }
}
sub vcl_backend_error {
    if (bereq.http.x-ezdfs && bereq.retries < 2) {
        return (retry);
    }
}

sub ezdfs_token {
    set req.http.x-ezdfs-token = regsub(std.fileread("@TOKEN@"), "\s+$", "");
}
include "ezdfs.vcl";

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit";
    } else {
        set resp.http.X-Cache = "miss";
    }
}
