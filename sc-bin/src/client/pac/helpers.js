// The functions that a PAC script may call. What they do is described in Netscape's "Proxy
// Auto-Config File Format" (1996) and, for those that end in Ex, in Microsoft's IPv6 extensions.
// `__resolve(name)` gives a list of addresses as texts, `__myAddresses()` those of this machine,
// `__log(text)` writes to the log: they are the host's.
(function (global) {
  "use strict";
  var resolve = global.__resolve, addresses = global.__myAddresses, log = global.__log;
  delete global.__resolve;
  delete global.__myAddresses;
  delete global.__log;

  function lower(text) { return String(text).toLowerCase(); }
  function isV4(text) { return /^\d{1,3}(\.\d{1,3}){3}$/.test(text); }
  function v4Only(list) { return list.filter(isV4); }

  function isPlainHostName(host) { return String(host).indexOf(".") < 0; }
  function dnsDomainIs(host, domain) {
    host = lower(host);
    domain = lower(domain);
    return host.length >= domain.length && host.slice(host.length - domain.length) === domain;
  }
  function localHostOrDomainIs(host, full) {
    host = lower(host);
    full = lower(full);
    return host === full || (host.indexOf(".") < 0 && full.indexOf(host + ".") === 0);
  }
  function dnsDomainLevels(host) { return String(host).split(".").length - 1; }

  function dnsResolve(host) {
    var found = v4Only(resolve(String(host)));
    return found.length > 0 ? found[0] : null;
  }
  function isResolvable(host) { return dnsResolve(host) !== null; }
  function dnsResolveEx(host) { return resolve(String(host)).join(";"); }
  function isResolvableEx(host) { return resolve(String(host)).length > 0; }
  function myIpAddress() {
    var found = v4Only(addresses());
    return found.length > 0 ? found[0] : "127.0.0.1";
  }
  function myIpAddressEx() { return addresses().join(";"); }

  function convert_addr(text) {
    var parts = String(text).split(".");
    return ((parts[0] & 255) << 24 | (parts[1] & 255) << 16 | (parts[2] & 255) << 8 | parts[3] & 255);
  }
  function isInNet(host, pattern, mask) {
    var address = isV4(String(host)) ? String(host) : dnsResolve(host);
    if (address === null || !isV4(String(pattern)) || !isV4(String(mask))) return false;
    mask = convert_addr(mask);
    return (convert_addr(address) & mask) === (convert_addr(pattern) & mask);
  }

  // The bits of an address, as a text of 0 and 1; null if it is none.
  function bitsOf(text) {
    text = String(text).replace(/^\[|\]$/g, "");
    function bits(number, width) {
      var out = "";
      for (var at = width - 1; at >= 0; at--) out += number >> at & 1;
      return out;
    }
    if (isV4(text)) {
      return text.split(".").map(function (part) { return bits(+part, 8); }).join("");
    }
    if (text.indexOf(":") < 0 || !/^[0-9a-f:.]+$/i.test(text)) return null;
    var tail = text.match(/^(.*:)(\d+\.\d+\.\d+\.\d+)$/);
    if (tail) {
      var number = convert_addr(tail[2]) >>> 0;
      text = tail[1] + (number >>> 16).toString(16) + ":" + (number & 0xffff).toString(16);
    }
    var halves = text.split("::");
    if (halves.length > 2) return null;
    function groups(half) { return half === "" ? [] : half.split(":"); }
    var front = groups(halves[0]), back = halves.length === 2 ? groups(halves[1]) : [];
    var missing = 8 - front.length - back.length;
    if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
    while (missing-- > 0) front.push("0");
    var all = front.concat(back);
    for (var at = 0; at < all.length; at++) {
      if (!/^[0-9a-f]{1,4}$/i.test(all[at])) return null;
    }
    return all.map(function (group) { return bits(parseInt(group, 16), 16); }).join("");
  }
  function isInNetEx(host, prefix) {
    var slash = String(prefix).lastIndexOf("/");
    if (slash < 0) return false;
    var base = bitsOf(String(prefix).slice(0, slash)), length = +String(prefix).slice(slash + 1);
    if (base === null || !(length >= 0 && length <= base.length)) return false;
    var candidates = bitsOf(host) !== null ? [String(host)] : resolve(String(host));
    return candidates.some(function (address) {
      var bits = bitsOf(address);
      return bits !== null && bits.length === base.length &&
        bits.slice(0, length) === base.slice(0, length);
    });
  }
  // IPv6 first, then by number.
  function sortIpAddressList(list) {
    var all = String(list).split(";").map(function (one) { return one.trim(); });
    if (all.some(function (one) { return bitsOf(one) === null; })) return "";
    return all.sort(function (a, b) {
      var x = bitsOf(a), y = bitsOf(b);
      if (x.length !== y.length) return y.length - x.length;
      return x < y ? -1 : x > y ? 1 : 0;
    }).join(";");
  }

  function shExpMatch(text, pattern) {
    var expression = String(pattern).replace(/[\\^$.|+()\[\]{}]/g, "\\$&")
      .replace(/\*/g, ".*").replace(/\?/g, ".");
    return new RegExp("^" + expression + "$").test(String(text));
  }

  var DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
  var MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

  // The arguments without a final "GMT", and the time's parts in that zone.
  function inZone(args) {
    var list = Array.prototype.slice.call(args), now = new Date();
    var gmt = list.length > 0 && list[list.length - 1] === "GMT";
    if (gmt) list.pop();
    function part(name) { return now["get" + (gmt ? "UTC" : "") + name](); }
    return { list: list, part: part };
  }
  // Whether `value` lies between both, around the end of the scale if they are turned.
  function between(value, from, to) {
    return from <= to ? from <= value && value <= to : value >= from || value <= to;
  }
  function weekdayRange() {
    var zone = inZone(arguments), days = zone.list.map(function (day) {
      return DAYS.indexOf(String(day).toUpperCase());
    });
    if (days.length < 1 || days.indexOf(-1) >= 0) return false;
    return between(zone.part("Day"), days[0], days[days.length - 1]);
  }
  function timeRange() {
    var zone = inZone(arguments), at = zone.list.map(Number);
    var hour = zone.part("Hours"), minute = zone.part("Minutes"), second = zone.part("Seconds");
    var now = hour * 3600 + minute * 60 + second;
    switch (at.length) {
      case 1: return hour === at[0];
      case 2: return between(now, at[0] * 3600, at[1] * 3600);
      case 4: return between(now, at[0] * 3600 + at[1] * 60, at[2] * 3600 + at[3] * 60 + 59);
      case 6: return between(now, at[0] * 3600 + at[1] * 60 + at[2],
        at[3] * 3600 + at[4] * 60 + at[5]);
      default: return false;
    }
  }
  // Days are 1 to 31, months are names, years have four digits; both ends are of the same parts.
  function dateRange() {
    var zone = inZone(arguments), list = zone.list;
    function kind(value) {
      if (typeof value === "string" && MONTHS.indexOf(value.toUpperCase()) >= 0) return "M";
      return +value > 31 ? "Y" : +value >= 1 ? "D" : "";
    }
    function number(values) {
      return values.reduce(function (sum, value) {
        switch (kind(value)) {
          case "Y": return sum + value * 10000;
          case "M": return sum + (MONTHS.indexOf(value.toUpperCase()) + 1) * 100;
          default: return sum + +value;
        }
      }, 0);
    }
    var kinds = list.map(kind).join(""), half = kinds;
    if (list.length > 1 && list.length % 2 === 0 &&
        kinds.slice(0, list.length / 2) === kinds.slice(list.length / 2)) {
      half = kinds.slice(0, list.length / 2);
    }
    if (["D", "M", "Y", "DM", "MY", "DMY"].indexOf(half) < 0) return false;
    var now = (half.indexOf("Y") >= 0 ? zone.part("FullYear") * 10000 : 0) +
      (half.indexOf("M") >= 0 ? (zone.part("Month") + 1) * 100 : 0) +
      (half.indexOf("D") >= 0 ? zone.part("Date") : 0);
    if (half === kinds) return now === number(list);
    return between(now, number(list.slice(0, half.length)), number(list.slice(half.length)));
  }

  function getClientVersion() { return "1.0"; }
  function alert(text) { log(String(text)); }

  var all = {
    isPlainHostName: isPlainHostName, dnsDomainIs: dnsDomainIs,
    localHostOrDomainIs: localHostOrDomainIs, isResolvable: isResolvable, isInNet: isInNet,
    dnsResolve: dnsResolve, convert_addr: convert_addr, myIpAddress: myIpAddress,
    dnsDomainLevels: dnsDomainLevels, shExpMatch: shExpMatch, weekdayRange: weekdayRange,
    dateRange: dateRange, timeRange: timeRange, alert: alert, dnsResolveEx: dnsResolveEx,
    isResolvableEx: isResolvableEx, isInNetEx: isInNetEx, myIpAddressEx: myIpAddressEx,
    sortIpAddressList: sortIpAddressList, getClientVersion: getClientVersion
  };
  Object.keys(all).forEach(function (name) { global[name] = all[name]; });
})(globalThis);
