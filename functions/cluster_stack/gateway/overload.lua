-- A request beyond what a Model's replicas hold: Envoy answers 503, as where there is no replica. Clients are to
-- come again instead, not all at once.

local STATUS, WORDS = "503", "reset reason: overflow"
local LONGEST = 200 -- bytes of Envoy's own answer
local LEAST, MOST = 1, 5 -- seconds
local ERROR = '{"error": {"message": "The model has more requests than it holds: try again later.", '
  .. '"type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"}}'

function envoy_on_response(handle)
  local headers = handle:headers()
  local length = tonumber(headers:get("content-length") or "")
  if headers:get(":status") ~= STATUS or not length or length > LONGEST then
    return
  end
  local body = handle:body()
  if not body or not string.find(body:getBytes(0, body:length()), WORDS, 1, true) then
    return
  end
  body:setBytes(ERROR)
  headers = handle:headers()
  headers:replace(":status", "429")
  headers:replace("content-type", "application/json")
  headers:replace("retry-after", tostring(math.random(LEAST, MOST)))
end
