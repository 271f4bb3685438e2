-- SPDX-License-Identifier: GPL-2.0-or-later OR MIT
--
-- What tshark prints of each message that may be an attempt to reach a number: one line a packet,
-- `packet`, its number, its time, then name=value of each field in the order of the packet, all
-- separated by tabs. No other field leaves tshark: none has a message's text.

local VALUES = {
  "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport",
  "mtp3.opc", "mtp3.dpc",
  "isup.cic", "bicc.cic", "isup.message_type", "isup.called", "isup.subsequent_number",
  "isup.calling", "isup.address_presentation_restricted_indicator",
  "isup.called_party_nature_of_address_indicator",
  "isup.calling_party_nature_of_address_indicator", "isup.calling_partys_category",
  "tcap.otid", "tcap.dtid",
  "gsm_map.old.Component", "gsm_old.localValue", "gsm_map.ch.msisdn", "gsm_old.msisdn",
  "gsm_map.ch.callReferenceNumber", "gsm_map.sm.msisdn", "gsm_map.sm.sm_RP_SMEA",
  "gsm_map.sm.sm_deliveryNotIntended", "gsm_map.sm.sm_RP_MTI",
  "gsm_sms.tp-mti", "gsm_sms.tp-da", "gsm_sms.dis_field_addr.num_type", "gsm_sms.udh.mm.msg_id",
  "camel.local", "camel.calledPartyBCDNumber", "camel.destinationSubscriberNumber",
  "camel.callingPartyNumber", "camel.eventTypeBCSM", "camel.eventTypeSMS",
  "camel.callReferenceNumber",
  "diameter.flags.request", "diameter.cmd.code", "diameter.endtoendid", "diameter.Session-Id",
  "diameter.Origin-Host", "diameter.MSISDN", "diameter.SM-RP-SMEA",
  "diameter.SM-Delivery-Not-Intended", "diameter.SM-RP-MTI", "diameter.Public-Identity",
  "diameter.Originating-Request", "diameter.CC-Request-Type", "diameter.Requested-Action",
  "diameter.Accounting-Record-Type", "diameter.3GPP-SIP-Method", "diameter.SM-Message-Type",
  "diameter.Service-Context-Id", "diameter.Calling-Party-Address",
  "diameter.Called-Party-Address", "diameter.Address-Data", "diameter.IMS-Charging-Identifier",
  "diameter.Subscription-Id-Type", "diameter.Subscription-Id-Data",
  "sip.Method", "sip.r-uri", "sip.From", "sip.P-Asserted-Identity", "sip.Privacy", "sip.to.tag",
  "sip.Call-ID", "sip.CSeq.seq", "sip.icid_value", "sip.Content-Type", "sdp.media",
  "smpp.command_id", "smpp.sequence_number", "smpp.source_addr_ton", "smpp.source_addr_npi",
  "smpp.source_addr", "smpp.dest_addr_ton", "smpp.dest_addr_npi", "smpp.destination_addr", "smpp.esm.submit.msg_type",
  "smpp.sar_msg_ref_num",
}
-- Where something begins; what it holds is not printed.
local MARKS = {
  "isup", "bicc", "tcap", "gsm_sms", "diameter", "sip", "smpp", "camel.invoke_element",
  "diameter.Recipient-Address", "diameter.Originator-Received-Address",
  "diameter.Originator-Address", "_ws.malformed",
}
local FILTER = "isup.message_type in {1,2} or bicc.cic or tcap or gsm_sms or sip.Method in"
  .. ' {"INVITE","MESSAGE","OPTIONS","SUBSCRIBE","PUBLISH","REFER","NOTIFY","INFO"} or smpp.command_id in {4,5,33,259} or diameter.flags.request == 1 or _ws.malformed'

-- Collected Field objects take their fields out of the tree: these are kept.
local kept, values, marks = {}, {}, {}
local missing = {}
for set, names in pairs({ [values] = VALUES, [marks] = MARKS }) do
  for _, name in ipairs(names) do
    local found, field = pcall(Field.new, name)
    if found then
      kept[#kept + 1] = field
      set[name] = true
    else
      missing[#missing + 1] = name
    end
  end
end
if #missing > 0 then
  table.sort(missing)
  print("missing\t" .. table.concat(missing, "\t"))
end

local ESCAPED = { ["\\"] = "\\\\", ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r" }
local packets = Listener.new("frame", FILTER)

function packets.packet(info)
  local line = { "packet", tostring(info.number), string.format("%.6f", info.abs_ts) }
  for _, field in ipairs({ all_field_infos() }) do
    local name = field.name
    if values[name] then
      line[#line + 1] = name .. "=" .. tostring(field.value):gsub("[\\\t\n\r]", ESCAPED)
    elseif marks[name] then
      line[#line + 1] = name .. "="
    end
  end
  print(table.concat(line, "\t"))
end

-- Frames of the adapter itself, which say how far tshark is: `mark`, a time, and the number in it.
local marked = Listener.new("frame", "eth.type == 0x88b5")

function marked.packet(info, buffer)
  print(string.format("mark\t%.6f\t%d", info.abs_ts, buffer(14, 4):uint()))
end

-- Behind a segment that the capture lost, tshark waits on this connection for good; one that only
-- comes late is there soon. `gap` or `late`, the frame's number, its time and the connection.
local stream = Field.new("tcp.stream")
local LATE = "tcp.analysis.retransmission or tcp.analysis.out_of_order"
for what, filter in pairs({ gap = "tcp.analysis.lost_segment", late = LATE }) do
  local listener = Listener.new("frame", filter)
  function listener.packet(info)
    print(table.concat({
      what, tostring(info.number), string.format("%.6f", info.abs_ts), tostring(stream().value),
    }, "\t"))
  end
  kept[#kept + 1] = listener
end
