# Stored files behind Varnish (7.0 or later): what `ezdfs agent --purge` sends is carried out, and
# clients get the files from the cache until then. docs/http-caches.md says how to set it up.
#
# To be included before the kernel's VCL, or any other: Varnish runs the parts of vcl_recv and its like
# in the order in which they stand, and nothing here answers for other paths. Stored files are looked up
# at once: what vcl_recv has to do for them, too, such as choosing another backend than the first, stands
# before the include. The VCL that includes it says who may purge:
#
#     vcl 4.1;
#     import std;
#     acl ezdfs_purgers { "localhost"; "10.0.0.0"/24; }
#     sub ezdfs_token {
#         set req.http.x-ezdfs-token = regsub(std.fileread("/etc/varnish/ezdfs.token"), "\s+$", "");
#     }
#     include "ezdfs.vcl";
#
# The end of a line can stand in no header, so it goes. Where no token is asked for, that sub sets it to
# "none". With a file that is missing nobody purges.

# The paths of stored files, as the location of nginx has them. Others are left alone.
sub ezdfs_match {
    unset req.http.x-ezdfs;
    if (req.url ~ "^/(var/([^/?]+/)?storage/)?images(-versioned)?/"
        || (req.method == "BAN" && req.http.user-agent ~ "^ezdfs/")) {
        set req.http.x-ezdfs = "1";
    }
}

sub vcl_recv {
    call ezdfs_match;
    if (req.http.x-ezdfs) {
        if (req.method == "PURGE" || req.method == "BAN") {
            call ezdfs_purge;
        }
        if (req.method == "GET" || req.method == "HEAD") {
            # The same file whoever asks, and whatever follows: some write a version there.
            unset req.http.Cookie;
            set req.url = regsub(req.url, "\?.*$", "");
            # Nothing of what follows is of use here. The kernel's VCL would ask the application first
            # what the visitor may see, for all extensions that it does not know.
            if (!req.http.Authorization) {
                return (hash);
            }
        }
    }
}

sub ezdfs_purge {
    unset req.http.x-ezdfs-token;
    call ezdfs_token;
    if (client.ip !~ ezdfs_purgers || !req.http.x-ezdfs-token || req.http.x-ezdfs-token == ""
        || (req.http.x-ezdfs-token != "none" && req.http.x-invalidate-token != req.http.x-ezdfs-token)) {
        return (synth(403, "Forbidden"));
    }
    if (req.method == "PURGE") {
        return (purge);
    }
    # Of stored files alone. By what each object says of itself: so the ban lurker takes what is left.
    if (req.http.x-url && req.http.x-host
        && std.ban("obj.http.x-ezdfs-host ~ " + req.http.x-host
            + " && obj.http.x-ezdfs-path ~ " + req.http.x-url)) {
        return (synth(200, "Banned"));
    }
    return (synth(400, "Not banned"));
}

sub vcl_backend_response {
    if (bereq.http.x-ezdfs) {
        set beresp.http.x-ezdfs-host = bereq.http.host;
        set beresp.http.x-ezdfs-path = bereq.url;
        if (beresp.status == 404) {
            # Not kept: it is there the moment somebody stores it, and a purge takes another moment.
            set beresp.uncacheable = true;
            set beresp.ttl = 1s;
            return (deliver);
        }
        if (beresp.status >= 500) {
            # What is there is better than this, and nothing else is kept of it.
            if (bereq.is_bgfetch) {
                return (abandon);
            }
            set beresp.uncacheable = true;
            set beresp.ttl = 1s;
            return (deliver);
        }
        # While a file is fetched again because its time is over. What was purged is gone at once.
        set beresp.grace = 1h;
    }
}

sub vcl_deliver {
    unset resp.http.x-ezdfs-host;
    unset resp.http.x-ezdfs-path;
}
