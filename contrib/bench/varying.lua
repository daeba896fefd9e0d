-- A cookie and a referer that no request has had before, so that a cache of header values does not help anybody.

dofile(debug.getinfo(1, "S").source:sub(2):match("^(.*/)") .. "load.lua")

local before, between, after
local count = 0

function init(_args)
   wrk.headers["Referer"] = "https://shop.example.org/catalogue/page/<MARK>"
   wrk.headers["Cookie"] = "session=8f14e45fceea167a5a36dedd4bea2543; seen=<MARK>; theme=dark"
   before, between, after = wrk.format():match("^(.*)<MARK>(.*)<MARK>(.*)$")
end

function request()
   count = count + 1
   return before .. count .. between .. count .. after
end
