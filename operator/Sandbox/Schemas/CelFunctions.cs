using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Schemas;

/// <summary>An overload of a function, for the checker and the evaluator.</summary>
/// <param name="Parameters">Type names as <see cref="CelValues.TypeOf"/> returns them; <c>dyn</c> accepts any.</param>
/// <param name="Result">A type name, <c>element</c> or <c>same</c> (of the first argument), or <c>list string</c>.</param>
internal sealed record CelOverload(bool IsMember, string[] Parameters, string Result, Func<object?[], object?> Body);

/// <summary>CEL's standard functions and operators, its string extension, and Kubernetes' own libraries.</summary>
/// <remarks>Source: github.com/google/cel-spec, and kubernetes/apiserver:pkg/cel/library.</remarks>
internal static partial class CelFunctions
{
    private const int MaxPatterns = 1000;
    private static readonly ConcurrentDictionary<string, Regex> Patterns = new(StringComparer.Ordinal);
    private static readonly TimeSpan RegexLimit = TimeSpan.FromSeconds(1);
    private static readonly Dictionary<string, List<CelOverload>> OverloadsByName = new(StringComparer.Ordinal);

    /// <summary>Functions that a real API server supports and this evaluator does not.</summary>
    private static readonly HashSet<string> UnsupportedFunctions =
    [
        "format.named",
        "semver",
        "isSemver",
        "validate",
        "format.dns1123Label",
        "format.dns1123Subdomain",
        "format.dns1035Label",
        "format.qualifiedName",
        "format.dns1123LabelPrefix",
        "format.dns1123SubdomainPrefix",
        "format.dns1035LabelPrefix",
        "format.labelValue",
        "format.uri",
        "format.uuid",
        "format.byte",
        "format.date",
        "format.datetime",
    ];

    static CelFunctions()
    {
        Operators();
        Conversions();
        Strings();
        Times();
        Lists();
        Optionals();
        Networks();
        Quantity();
    }

    public static bool IsKnown(string name) => OverloadsByName.ContainsKey(name);

    public static bool IsQualified(string name) =>
        name.Contains('.', StringComparison.Ordinal) && (OverloadsByName.ContainsKey(name) || UnsupportedFunctions.Contains(name));

    public static bool IsUnsupported(string name) => UnsupportedFunctions.Contains(name);

    public static IReadOnlyList<CelOverload> Overloads(string name) => OverloadsByName.TryGetValue(name, out var found) ? found : [];

    /// <summary>Calls the overload for these values.</summary>
    /// <exception cref="CelException">There is none, or it fails.</exception>
    public static object? Call(string name, bool isMember, object?[] arguments)
    {
        foreach (var overload in Overloads(name))
        {
            if (overload.IsMember == isMember && overload.Parameters.Length == arguments.Length && Takes(overload, arguments))
            {
                return overload.Body(arguments);
            }
        }

        throw new CelException("no such overload");
    }

    private static bool Takes(CelOverload overload, object?[] arguments)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            if (overload.Parameters[i] != "dyn" && overload.Parameters[i] != CelValues.TypeOf(arguments[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Adds a function, <c>name(a, b) result</c>, or a member function, <c>@a:name(b) result</c>.</summary>
    private static void Add(string signature, Func<object?[], object?> body)
    {
        var open = signature.IndexOf('(', StringComparison.Ordinal);
        var close = signature.IndexOf(')', StringComparison.Ordinal);
        var name = signature[..open];
        List<string> parameters = [.. signature[(open + 1)..close].Split(", ", StringSplitOptions.RemoveEmptyEntries)];
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        if (colon > 0)
        {
            parameters.Insert(0, name[1..colon]);
            name = name[(colon + 1)..];
        }

        if (!OverloadsByName.TryGetValue(name, out var list))
        {
            OverloadsByName[name] = list = [];
        }

        list.Add(new CelOverload(colon > 0, [.. parameters], signature[(close + 2)..], body));
    }

    private static void Both(string receiver, string name, string result, Func<object?[], object?> body)
    {
        Add($"{name}({receiver}) {result}", body);
        Add($"@{receiver}:{name}() {result}", body);
    }

    private static void Operators()
    {
        Add("!_(bool) bool", a => !(bool)a[0]!);
        Add("-_(int) int", a => (long)a[0]! == long.MinValue ? throw Overflow() : -(long)a[0]!);
        Add("-_(double) double", a => -(double)a[0]!);
        Arithmetic("_+_", (x, y) => checked(x + y), (x, y) => checked(x + y), (x, y) => x + y);
        Arithmetic("_-_", (x, y) => checked(x - y), (x, y) => checked(x - y), (x, y) => x - y);
        Arithmetic("_*_", (x, y) => checked(x * y), (x, y) => checked(x * y), (x, y) => x * y);
        Arithmetic(
            "_/_",
            (x, y) => y == 0 ? throw new CelException("division by zero") : checked(x / y),
            (x, y) => y == 0 ? throw new CelException("division by zero") : x / y,
            (x, y) => x / y
        );
        Arithmetic(
            "_%_",
            (x, y) =>
                y == 0 ? throw new CelException("modulus by zero")
                : y == -1 ? 0
                : x % y,
            (x, y) => y == 0 ? throw new CelException("modulus by zero") : x % y,
            null
        );
        Add("_+_(string, string) string", a => (string)a[0]! + (string)a[1]!);
        Add("_+_(bytes, bytes) bytes", a => (byte[])[.. (byte[])a[0]!, .. (byte[])a[1]!]);
        Add("_+_(list, list) same", a => Concat((CelList)a[0]!, (CelList)a[1]!));
        Add("_+_(timestamp, duration) timestamp", a => (DateTimeOffset)a[0]! + (TimeSpan)a[1]!);
        Add("_+_(duration, timestamp) timestamp", a => (DateTimeOffset)a[1]! + (TimeSpan)a[0]!);
        Add("_+_(duration, duration) duration", a => (TimeSpan)a[0]! + (TimeSpan)a[1]!);
        Add("_-_(timestamp, timestamp) duration", a => (DateTimeOffset)a[0]! - (DateTimeOffset)a[1]!);
        Add("_-_(timestamp, duration) timestamp", a => (DateTimeOffset)a[0]! - (TimeSpan)a[1]!);
        Add("_-_(duration, duration) duration", a => (TimeSpan)a[0]! - (TimeSpan)a[1]!);
        foreach (
            var (name, test) in ((string, Func<int, bool>)[])
                [("_<_", c => c < 0), ("_<=_", c => c <= 0), ("_>_", c => c > 0), ("_>=_", c => c >= 0)]
        )
        {
            foreach (var type in (string[])["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"])
            {
                Add($"{name}({type}, {type}) bool", a => test(CelValues.Compare(a[0], a[1])));
            }

            foreach (
                var (left, right) in ((string, string)[])
                    [("int", "uint"), ("int", "double"), ("uint", "int"), ("uint", "double"), ("double", "int"), ("double", "uint")]
            )
            {
                Add($"{name}({left}, {right}) bool", a => test(CelValues.Compare(a[0], a[1])));
            }
        }

        Add("@in(dyn, list) bool", a => ((CelList)a[1]!).Exists(item => CelValues.Same(item, a[0])));
        Add("@in(dyn, map) bool", a => a[0] is not null && ((CelMap)a[1]!).ContainsKey(a[0]!));
        foreach (var index in (string[])["int", "uint", "double"])
        {
            Add($"_[_](list, {index}) element", a => At((CelList)a[0]!, Whole(a[1])));
        }

        Add("_[_](map, dyn) element", a =>
            a[1] is not null && ((CelMap)a[0]!).TryGetValue(a[1]!, out var value)
                ? value
                : throw new CelException($"no such key: {Text(a[1])}")
        );
        Both("string", "size", "int", a => (long)S(a, 0).EnumerateRunes().Count());
        Both("bytes", "size", "int", a => (long)((byte[])a[0]!).Length);
        Both("list", "size", "int", a => (long)((CelList)a[0]!).Count);
        Both("map", "size", "int", a => (long)((CelMap)a[0]!).Count);
    }

    private static void Arithmetic(
        string name,
        Func<long, long, long> whole,
        Func<ulong, ulong, ulong> unsigned,
        Func<double, double, double>? real
    )
    {
        Add($"{name}(int, int) int", a => Checked(() => whole((long)a[0]!, (long)a[1]!)));
        Add($"{name}(uint, uint) uint", a => Checked(() => unsigned((ulong)a[0]!, (ulong)a[1]!)));
        if (real is not null)
        {
            Add($"{name}(double, double) double", a => real((double)a[0]!, (double)a[1]!));
        }
    }

    private static void Conversions()
    {
        Add("dyn(dyn) dyn", a => a[0]);
        Add("type(dyn) type", a => new CelTypeName(
            CelValues.TypeOf(a[0]) switch
            {
                "null" => "null_type",
                "timestamp" => "google.protobuf.Timestamp",
                "duration" => "google.protobuf.Duration",
                "optional" => "optional_type",
                var name => name,
            }
        ));
        Add("int(int) int", a => a[0]);
        Add("int(uint) int", a => Checked(() => checked((long)(ulong)a[0]!)));
        Add("int(double) int", a =>
            (double)a[0]! is > -9.2233720368547758e18 and < 9.2233720368547758e18 ? (long)(double)a[0]! : throw Overflow()
        );
        Add("int(string) int", a =>
            long.TryParse((string)a[0]!, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n)
                ? n
                : throw NotConverted("string", "int")
        );
        Add("int(timestamp) int", a => ((DateTimeOffset)a[0]!).ToUnixTimeSeconds());
        Add("uint(uint) uint", a => a[0]);
        Add("uint(int) uint", a => Checked(() => checked((ulong)(long)a[0]!)));
        Add("uint(double) uint", a => (double)a[0]! is >= 0 and < 1.8446744073709552e19 ? (ulong)(double)a[0]! : throw Overflow());
        Add("uint(string) uint", a =>
            ulong.TryParse((string)a[0]!, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
                ? n
                : throw NotConverted("string", "uint")
        );
        Add("double(double) double", a => a[0]);
        Add("double(int) double", a => (double)(long)a[0]!);
        Add("double(uint) double", a => (double)(ulong)a[0]!);
        Add("double(string) double", a =>
            double.TryParse((string)a[0]!, NumberStyles.Float, CultureInfo.InvariantCulture, out var n)
                ? n
                : throw NotConverted("string", "double")
        );
        Add("bool(bool) bool", a => a[0]);
        Add("bool(string) bool", a => (string)a[0]! switch
            {
                "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
                "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
                _ => throw NotConverted("string", "bool"),
            });
        Add("bytes(bytes) bytes", a => a[0]);
        Add("bytes(string) bytes", a => Encoding.UTF8.GetBytes((string)a[0]!));
        foreach (var type in (string[])["string", "bool", "int", "uint", "double", "bytes", "timestamp", "duration", "ip", "cidr"])
        {
            Add($"string({type}) string", a => Text(a[0]));
        }

        Add("timestamp(timestamp) timestamp", a => a[0]);
        Add("timestamp(int) timestamp", a => DateTimeOffset.FromUnixTimeSeconds((long)a[0]!));
        Add("timestamp(string) timestamp", a => Timestamp((string)a[0]!) ?? throw NotConverted("string", "google.protobuf.Timestamp"));
        Add("duration(duration) duration", a => a[0]);
        Add("duration(string) duration", a => Duration((string)a[0]!) ?? throw NotConverted("string", "google.protobuf.Duration"));
    }

    private static void Strings()
    {
        Add("@string:contains(string) bool", a => S(a, 0).Contains(S(a, 1), StringComparison.Ordinal));
        Add("@string:startsWith(string) bool", a => S(a, 0).StartsWith(S(a, 1), StringComparison.Ordinal));
        Add("@string:endsWith(string) bool", a => S(a, 0).EndsWith(S(a, 1), StringComparison.Ordinal));
        Add("@string:matches(string) bool", a => Pattern(S(a, 1)).IsMatch(S(a, 0)));
        Add("matches(string, string) bool", a => Pattern(S(a, 1)).IsMatch(S(a, 0)));
        Add("@string:find(string) string", a => Pattern(S(a, 1)).Match(S(a, 0)).Value);
        Add("@string:findAll(string) list string", a => CelList.From(Pattern(S(a, 1)).Matches(S(a, 0)).Select(m => m.Value)));
        Add("@string:findAll(string, int) list string", a =>
            CelList.From(Pattern(S(a, 1)).Matches(S(a, 0)).Take((long)a[2]! < 0 ? int.MaxValue : (int)(long)a[2]!).Select(m => m.Value))
        );
        Add("@string:charAt(int) string", a => Whole(a[1]) == Runes(a).Length ? "" : Slice(a, Whole(a[1]), Whole(a[1]) + 1));
        Add("@string:substring(int) string", a => Slice(a, Whole(a[1]), Runes(a).Length));
        Add("@string:substring(int, int) string", a => Slice(a, Whole(a[1]), Whole(a[2])));
        Add("@string:indexOf(string) int", a => Index(a, S(a, 0).IndexOf(S(a, 1), StringComparison.Ordinal)));
        Add("@string:indexOf(string, int) int", a =>
            Index(a, S(a, 0).IndexOf(S(a, 1), Slice(a, 0, Whole(a[2])).Length, StringComparison.Ordinal))
        );
        Add("@string:lastIndexOf(string) int", a => Index(a, S(a, 0).LastIndexOf(S(a, 1), StringComparison.Ordinal)));
        Add("@string:lowerAscii() string", a => string.Concat(S(a, 0).Select(c => char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c)));
        Add("@string:upperAscii() string", a => string.Concat(S(a, 0).Select(c => char.IsAsciiLetterLower(c) ? (char)(c & ~0x20) : c)));
        Add("@string:trim() string", a => S(a, 0).Trim());
        Add("@string:replace(string, string) string", a => Replace(a, -1));
        Add("@string:replace(string, string, int) string", a => Replace(a, Whole(a[3])));
        Add("@string:split(string) list string", a => Split(a, int.MaxValue));
        Add("@string:split(string, int) list string", a => Split(a, Whole(a[2])));
        Add("@string:reverse() string", a => string.Concat(Runes(a).Reverse()));
        Add("strings.quote(string) string", a => Json.Quote(S(a, 0)));
        Add("@list:join() string", a => string.Concat(((CelList)a[0]!).Cast<string>()));
        Add("@list:join(string) string", a => string.Join(S(a, 1), ((CelList)a[0]!).Cast<string>()));
        Add("@string:format(list) string", a => Format(S(a, 0), (CelList)a[1]!));
    }

    private static void Times()
    {
        foreach (
            var (name, part) in ((string, Func<DateTimeOffset, int>)[])
                [
                    ("getFullYear", t => t.Year),
                    ("getMonth", t => t.Month - 1),
                    ("getDate", t => t.Day),
                    ("getDayOfMonth", t => t.Day - 1),
                    ("getDayOfYear", t => t.DayOfYear - 1),
                    ("getDayOfWeek", t => (int)t.DayOfWeek),
                    ("getHours", t => t.Hour),
                    ("getMinutes", t => t.Minute),
                    ("getSeconds", t => t.Second),
                    ("getMilliseconds", t => t.Millisecond),
                ]
        )
        {
            Add($"@timestamp:{name}() int", a => (long)part(((DateTimeOffset)a[0]!).ToUniversalTime()));
            Add($"@timestamp:{name}(string) int", a => (long)part(In((DateTimeOffset)a[0]!, S(a, 1))));
        }

        Add("@duration:getHours() int", a => ((TimeSpan)a[0]!).Ticks / TimeSpan.TicksPerHour);
        Add("@duration:getMinutes() int", a => ((TimeSpan)a[0]!).Ticks / TimeSpan.TicksPerMinute);
        Add("@duration:getSeconds() int", a => ((TimeSpan)a[0]!).Ticks / TimeSpan.TicksPerSecond);
        Add("@duration:getMilliseconds() int", a => ((TimeSpan)a[0]!).Ticks / TimeSpan.TicksPerMillisecond);
    }

    private static void Lists()
    {
        Add("@list:isSorted() bool", a =>
            ((CelList)a[0]!).Zip(((CelList)a[0]!).Skip(1)).All(pair => CelValues.Compare(pair.First, pair.Second) <= 0)
        );
        Add("@list:sum() element", a =>
            ((CelList)a[0]!) is { Count: > 0 } list ? list.Skip(1).Aggregate(list[0], (x, y) => Call("_+_", false, [x, y])) : 0L
        );
        Add("@list:min() element", a => Extreme((CelList)a[0]!, "min", -1));
        Add("@list:max() element", a => Extreme((CelList)a[0]!, "max", 1));
        Add("@list:indexOf(dyn) int", a => (long)((CelList)a[0]!).FindIndex(item => CelValues.Same(item, a[1])));
        Add("@list:lastIndexOf(dyn) int", a => (long)((CelList)a[0]!).FindLastIndex(item => CelValues.Same(item, a[1])));
        Add("sets.contains(list, list) bool", a => ((CelList)a[1]!).TrueForAll(x => ((CelList)a[0]!).Exists(y => CelValues.Same(x, y))));
        Add("sets.intersects(list, list) bool", a => ((CelList)a[1]!).Exists(x => ((CelList)a[0]!).Exists(y => CelValues.Same(x, y))));
        Add("sets.equivalent(list, list) bool", a =>
            (bool)Call("sets.contains", false, [a[0], a[1]])! && (bool)Call("sets.contains", false, [a[1], a[0]])!
        );
    }

    private static void Optionals()
    {
        Add("optional.of(dyn) optional", a => new CelOptional(true, a[0]));
        Add("optional.none() optional", _ => CelOptional.None);
        Add("optional.ofNonZeroValue(dyn) optional", a =>
            a[0] is null or false or 0L or 0UL or 0.0 or "" or CelList { Count: 0 } or CelMap { Count: 0 } or byte[] { Length: 0 }
                ? CelOptional.None
                : new(true, a[0])
        );
        Add("@optional:hasValue() bool", a => ((CelOptional)a[0]!).HasValue);
        Add("@optional:value() element", a =>
            a[0] is CelOptional { HasValue: true, Value: var value } ? value : throw new CelException("optional.none() dereference")
        );
        Add("@optional:or(optional) same", a => a[0] is CelOptional { HasValue: true } ? a[0] : a[1]);
        Add("@optional:orValue(dyn) element", a => a[0] is CelOptional { HasValue: true, Value: var value } ? value : a[1]);
    }

    private static void Networks()
    {
        Add("isURL(string) bool", a => Url(S(a, 0)) is not null);
        Add("url(string) url", a =>
            Url(S(a, 0))
            ?? throw new CelException(
                $"URL parse error during conversion from string: parse {Json.Quote(S(a, 0))}: invalid URI for request"
            )
        );
        Add("@url:getScheme() string", a => U(a).IsAbsoluteUri ? U(a).Scheme : "");
        Add("@url:getHost() string", a => !U(a).IsAbsoluteUri ? ""
            : U(a).OriginalString.Contains($":{U(a).Port}", StringComparison.Ordinal) ? $"{U(a).Host}:{U(a).Port}"
            : U(a).Host);
        Add("@url:getHostname() string", a => U(a).IsAbsoluteUri ? U(a).Host.Trim('[', ']') : "");
        Add("@url:getPort() string", a =>
            U(a).IsAbsoluteUri && U(a).OriginalString.Contains($":{U(a).Port}", StringComparison.Ordinal)
                ? U(a).Port.ToString(CultureInfo.InvariantCulture)
                : ""
        );
        Add("@url:getEscapedPath() string", a => U(a).IsAbsoluteUri
                ? U(a).AbsolutePath == "/" && !U(a).OriginalString.EndsWith('/')
                    ? ""
                    : U(a).AbsolutePath
                : U(a).OriginalString.Split('?')[0]);
        Add("@url:getQuery() map", a => Query(U(a)));
        Add("isIP(string) bool", a => Address(S(a, 0)) is not null);
        Add("ip(string) ip", a =>
            Address(S(a, 0)) ?? throw new CelException($"IP Address {Json.Quote(S(a, 0))} parse error during conversion from string")
        );
        Add("ip.isCanonical(string) bool", a => Address(S(a, 0))?.ToString() == S(a, 0));
        Add("@ip:family() int", a => I(a).AddressFamily == AddressFamily.InterNetwork ? 4L : 6L);
        Add("@ip:isUnspecified() bool", a => I(a).Equals(IPAddress.Any) || I(a).Equals(IPAddress.IPv6Any));
        Add("@ip:isLoopback() bool", a => IPAddress.IsLoopback(I(a)));
        Add("@ip:isLinkLocalUnicast() bool", a => I(a).IsIPv6LinkLocal || IPNetwork.Parse("169.254.0.0/16").Contains(I(a)));
        Add("@ip:isLinkLocalMulticast() bool", a =>
            IPNetwork.Parse("224.0.0.0/24").Contains(I(a)) || IPNetwork.Parse("ff02::/16").Contains(I(a))
        );
        Add("@ip:isGlobalUnicast() bool", a =>
            !IPAddress.IsLoopback(I(a))
            && !I(a).IsIPv6LinkLocal
            && !I(a).IsIPv6Multicast
            && !I(a).Equals(IPAddress.Any)
            && !I(a).Equals(IPAddress.IPv6Any)
            && !I(a).Equals(IPAddress.Broadcast)
            && !IPNetwork.Parse("169.254.0.0/16").Contains(I(a))
            && !IPNetwork.Parse("224.0.0.0/4").Contains(I(a))
        );
        Add("isCIDR(string) bool", a => CelNetwork.TryParse(S(a, 0)) is not null);
        Add("cidr(string) cidr", a =>
            CelNetwork.TryParse(S(a, 0))
            ?? throw new CelException(
                $"network address parse error during conversion from string: netip.ParsePrefix({Json.Quote(S(a, 0))})"
            )
        );
        Add("@cidr:containsIP(ip) bool", a => N(a).Network.Contains((IPAddress)a[1]!));
        Add("@cidr:containsIP(string) bool", a => N(a).Network.Contains((IPAddress)Call("ip", false, [a[1]])!));
        Add("@cidr:containsCIDR(cidr) bool", a =>
            N(a).PrefixLength <= ((CelNetwork)a[1]!).PrefixLength && N(a).Network.Contains(((CelNetwork)a[1]!).Address)
        );
        Add("@cidr:containsCIDR(string) bool", a => Call("containsCIDR", true, [a[0], Call("cidr", false, [a[1]])]));
        Add("@cidr:ip() ip", a => N(a).Address);
        Add("@cidr:masked() cidr", a => new CelNetwork(N(a).Masked, N(a).PrefixLength));
        Add("@cidr:prefixLength() int", a => (long)N(a).PrefixLength);
    }

    private static void Quantity()
    {
        Add("isQuantity(string) bool", a => CelQuantity.TryParse(S(a, 0)) is not null);
        Add("quantity(string) quantity", a =>
            CelQuantity.TryParse(S(a, 0))
            ?? throw new CelException("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
        );
        Add("sign(quantity) int", a => (long)Q(a).Nano.Sign);
        Add("@quantity:isInteger() bool", a => Q(a).IsInteger);
        Add("@quantity:asInteger() int", a => Q(a).AsInteger);
        Add("@quantity:asApproximateFloat() double", a => Q(a).AsDouble);
        Add("@quantity:isLessThan(quantity) bool", a => CelValues.Compare(a[0], a[1]) < 0);
        Add("@quantity:isGreaterThan(quantity) bool", a => CelValues.Compare(a[0], a[1]) > 0);
        Add("@quantity:compareTo(quantity) int", a => (long)CelValues.Compare(a[0], a[1]));
        Add("@quantity:add(quantity) quantity", a => new CelQuantity(Q(a).Nano + ((CelQuantity)a[1]!).Nano));
        Add("@quantity:sub(quantity) quantity", a => new CelQuantity(Q(a).Nano - ((CelQuantity)a[1]!).Nano));
        Add("@quantity:add(int) quantity", a => new CelQuantity(Q(a).Nano + (long)a[1]! * new System.Numerics.BigInteger(1_000_000_000)));
        Add("@quantity:sub(int) quantity", a => new CelQuantity(Q(a).Nano - (long)a[1]! * new System.Numerics.BigInteger(1_000_000_000)));
    }

    /// <summary>Parses an RFC 3339 time, or a date as in the schema format <c>date</c>; null if it is neither.</summary>
    public static DateTimeOffset? Timestamp(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
        && text.Length >= 10
        && text[4] == '-'
            ? time
            : null;

    /// <summary>Parses a Go duration (<c>1h30m</c>); null if it is invalid.</summary>
    public static TimeSpan? Duration(string text)
    {
        if (text is "0" or "+0" or "-0")
        {
            return TimeSpan.Zero;
        }

        var match = DurationPattern().Match(text);
        if (!match.Success)
        {
            return null;
        }

        var ticks = 0m;
        for (var i = 0; i < match.Groups[2].Captures.Count; i++)
        {
            ticks +=
                decimal.Parse(match.Groups[2].Captures[i].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture)
                * match.Groups[3].Captures[i].Value switch
                {
                    "h" => TimeSpan.TicksPerHour,
                    "m" => TimeSpan.TicksPerMinute,
                    "s" => TimeSpan.TicksPerSecond,
                    "ms" => TimeSpan.TicksPerMillisecond,
                    "us" or "µs" => TimeSpan.TicksPerMicrosecond,
                    _ => 0.01m,
                };
        }

        return ticks > long.MaxValue / 100 ? null : new TimeSpan(text[0] == '-' ? -(long)ticks : (long)ticks);
    }

    [GeneratedRegex(@"^[+-]?(([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(h|ms|m|s|us|µs|ns))+$", RegexOptions.CultureInvariant)]
    private static partial Regex DurationPattern();

    private static string S(object?[] a, int index) => (string)a[index]!;

    private static Uri U(object?[] a) => (Uri)a[0]!;

    private static IPAddress I(object?[] a) => (IPAddress)a[0]!;

    private static CelNetwork N(object?[] a) => (CelNetwork)a[0]!;

    private static CelQuantity Q(object?[] a) => (CelQuantity)a[0]!;

    private static string[] Runes(object?[] a) => [.. S(a, 0).EnumerateRunes().Select(r => r.ToString())];

    private static int Whole(object? value) =>
        value switch
        {
            long number when number is >= int.MinValue and <= int.MaxValue => (int)number,
            ulong number when number <= int.MaxValue => (int)number,
            double number when number % 1 == 0 && Math.Abs(number) < int.MaxValue => (int)number,
            _ => throw new CelException($"index out of bounds: {Text(value)}"),
        };

    private static object? At(CelList list, int index) =>
        index >= 0 && index < list.Count ? list[index] : throw new CelException($"index out of bounds: {index}");

    private static string Slice(object?[] a, int start, int end)
    {
        var runes = Runes(a);
        return start < 0 || end > runes.Length || start > end
            ? throw new CelException($"index out of range: {(start < 0 || start > runes.Length ? start : end)}")
            : string.Concat(runes[start..end]);
    }

    /// <summary>Converts an offset in UTF-16 units into one in code points.</summary>
    private static object Index(object?[] a, int offset) => offset < 0 ? -1L : S(a, 0)[..offset].EnumerateRunes().Count();

    /// <summary>Replaces the first matches; a negative limit replaces all.</summary>
    private static string Replace(object?[] a, int limit)
    {
        var left = limit < 0 ? int.MaxValue : limit;
        return Regex.Replace(
            S(a, 0),
            Regex.Escape(S(a, 1)),
            match => left-- > 0 ? S(a, 2) : match.Value,
            RegexOptions.CultureInvariant,
            RegexLimit
        );
    }

    private static CelList Split(object?[] a, int limit) =>
        limit switch
        {
            0 => [],
            _ when S(a, 1).Length == 0 => CelList.From(Runes(a)),
            _ => CelList.From(S(a, 0).Split(S(a, 1), limit < 0 ? int.MaxValue : limit)),
        };

    /// <summary>
    /// Compiles an RE2 pattern. .NET's syntax differs in <c>$</c>, which in RE2 does not match before a final line break.
    /// </summary>
    private static Regex Pattern(string pattern)
    {
        if (Patterns.Count > MaxPatterns)
        {
            Patterns.Clear();
        }

        try
        {
            return Patterns.GetOrAdd(pattern, static p => new Regex(p, RegexOptions.CultureInvariant, RegexLimit));
        }
        catch (ArgumentException e)
        {
            throw new CelException($"error parsing regexp: {e.Message}");
        }
    }

    private static CelList Concat(CelList left, CelList right)
    {
        var result = new CelList(left.Kind, left.Keys);
        result.AddRange(left);
        foreach (var item in right)
        {
            var at = left.Kind switch
            {
                ListKind.Set => result.FindIndex(x => CelValues.Same(x, item)),
                ListKind.Map => result.FindIndex(x =>
                    left.Keys.All(k => x is CelMap a && item is CelMap b && CelValues.Same(a.GetValueOrDefault(k), b.GetValueOrDefault(k)))
                ),
                _ => -1,
            };
            if (at < 0)
            {
                result.Add(item);
            }
            else
            {
                result[at] = item;
            }
        }

        return result;
    }

    private static object? Extreme(CelList list, string name, int sign) =>
        list.Count == 0
            ? throw new CelException($"{name} called on empty list")
            : list.Skip(1).Aggregate(list[0], (x, y) => CelValues.Compare(y, x) * sign > 0 ? y : x);

    private static DateTimeOffset In(DateTimeOffset time, string zone)
    {
        if (zone.Length == 6 && zone[3] == ':' && TimeSpan.TryParse(zone.TrimStart('+'), CultureInfo.InvariantCulture, out var offset))
        {
            return time.ToOffset(offset);
        }

        return TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var found)
            ? TimeZoneInfo.ConvertTime(time, found)
            : throw new CelException($"unknown time zone {zone}");
    }

    private static Uri? Url(string text) =>
        text.StartsWith('/')
            ? Uri.TryCreate(text, UriKind.Relative, out var path)
                ? path
                : null
            : text.Contains("://", StringComparison.Ordinal) && Uri.TryCreate(text, UriKind.Absolute, out var uri)
                ? uri
                : null;

    private static IPAddress? Address(string text) =>
        !text.Contains('%', StringComparison.Ordinal)
        && (text.Count(c => c == '.') == 3 || text.Contains(':', StringComparison.Ordinal))
        && IPAddress.TryParse(text, out var address)
        && !address.IsIPv4MappedToIPv6
            ? address
            : null;

    private static CelMap Query(Uri url)
    {
        var result = new CelMap();
        var mark = url.OriginalString.IndexOf('?', StringComparison.Ordinal);
        foreach (
            var pair in mark < 0 ? [] : url.OriginalString[(mark + 1)..].Split('#')[0].Split('&', StringSplitOptions.RemoveEmptyEntries)
        )
        {
            var parts = pair.Split('=', 2);
            var key = Uri.UnescapeDataString(parts[0].Replace('+', ' '));
            if (!result.TryGetValue(key, out var values))
            {
                result[key] = values = new CelList();
            }

            ((CelList)values!).Add(parts.Length > 1 ? Uri.UnescapeDataString(parts[1].Replace('+', ' ')) : "");
        }

        return result;
    }

    private static string Format(string format, CelList arguments)
    {
        var text = new StringBuilder();
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }

            var precision = -1;
            if (++i < format.Length && format[i] == '.')
            {
                var end = i + 1;
                while (end < format.Length && char.IsAsciiDigit(format[end]))
                {
                    end++;
                }

                precision =
                    int.TryParse(format.AsSpan(i + 1, end - i - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var digits)
                    && digits <= 100
                        ? digits
                        : throw new CelException("could not parse formatting clause");
                i = end;
            }

            if (i < format.Length && format[i] == '%')
            {
                text.Append('%');
                continue;
            }

            var value = next < arguments.Count ? arguments[next] : throw new CelException($"index {next} out of range");
            next++;
            text.Append(
                (i < format.Length ? format[i] : ' ', value) switch
                {
                    ('s', _) => Text(value),
                    ('d', long or ulong) => Text(value),
                    ('f', double or long or ulong) => Convert
                        .ToDouble(value, CultureInfo.InvariantCulture)
                        .ToString("F" + (precision < 0 ? 6 : precision), CultureInfo.InvariantCulture),
                    ('e', double or long or ulong) => Convert
                        .ToDouble(value, CultureInfo.InvariantCulture)
                        .ToString((precision < 0 ? "0.000000" : "0." + new string('0', precision)) + "e+00", CultureInfo.InvariantCulture),
                    ('x', long n) => n.ToString("x", CultureInfo.InvariantCulture),
                    ('X', long n) => n.ToString("X", CultureInfo.InvariantCulture),
                    ('o', long n) => Convert.ToString(n, 8),
                    ('b', long n) => Convert.ToString(n, 2),
                    ('b', bool flag) => flag ? "1" : "0",
                    _ => throw new CelException(
                        $"error during formatting: unrecognized formatting clause \"{(i < format.Length ? format[i] : ' ')}\""
                    ),
                }
            );
        }

        return text.ToString();
    }

    /// <summary>Formats a value like <c>string()</c> and <c>%s</c>.</summary>
    public static string Text(object? value) =>
        value switch
        {
            null => "null",
            string text => text,
            bool flag => flag ? "true" : "false",
            double real => real.ToString("R", CultureInfo.InvariantCulture),
            byte[] bytes => Encoding.UTF8.GetString(bytes),
            DateTimeOffset time => time.ToUniversalTime()
                .ToString(
                    time.Ticks % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'",
                    CultureInfo.InvariantCulture
                ),
            TimeSpan span => (span.Ticks / (decimal)TimeSpan.TicksPerSecond).ToString("0.#######", CultureInfo.InvariantCulture) + "s",
            CelList list => $"[{string.Join(", ", list.Select(Text))}]",
            CelMap map => $"{{{string.Join(", ", map.Select(e => $"{Text(e.Key)}: {Text(e.Value)}"))}}}",
            CelNetwork network => $"{network.Address}/{network.PrefixLength}",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString() ?? "",
        };

    private static object Checked<T>(Func<T> compute)
        where T : notnull
    {
        try
        {
            return compute();
        }
        catch (OverflowException)
        {
            throw Overflow();
        }
    }

    private static CelException Overflow() => new("integer overflow");

    private static CelException NotConverted(string from, string to) => new($"type conversion error from '{from}' to '{to}'");
}
