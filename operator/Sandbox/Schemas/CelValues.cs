using System.Globalization;
using System.Net;
using System.Numerics;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Schemas;

/// <summary>A list. Lists that are sets or maps in the schema are compared without order and concatenated by elements or keys.</summary>
internal sealed class CelList(ListKind kind = ListKind.Atomic, IReadOnlyList<string>? keys = null) : List<object?>
{
    public ListKind Kind => kind;

    public IReadOnlyList<string> Keys => keys ?? [];

    public static CelList From(IEnumerable<object?> items)
    {
        var list = new CelList();
        list.AddRange(items);
        return list;
    }
}

/// <summary>A map or an object. Keys are strings, booleans, <see cref="long"/> or <see cref="ulong"/>.</summary>
internal sealed class CelMap() : Dictionary<object, object?>(CelValues.Comparer);

internal sealed record CelOptional(bool HasValue, object? Value)
{
    public static readonly CelOptional None = new(false, null);
}

/// <summary>A type as a value, the result of <c>type(x)</c>.</summary>
internal sealed record CelTypeName(string Name);

/// <summary>A Kubernetes quantity, in billionths.</summary>
internal sealed record CelQuantity(BigInteger Nano)
{
    private static readonly BigInteger Unit = 1_000_000_000;

    public bool IsInteger => Nano % Unit == 0 && Nano / Unit is var whole && whole >= long.MinValue && whole <= long.MaxValue;

    public long AsInteger => IsInteger ? (long)(Nano / Unit) : throw new CelException("cannot convert value to integer");

    public double AsDouble => (double)Nano / 1e9;

    public static CelQuantity? TryParse(string text)
    {
        if (!Quantities.TryParse(text, out var canonical))
        {
            return null;
        }

        var digits = canonical.TakeWhile(c => char.IsAsciiDigit(c) || c == '-').Count();
        var mantissa = BigInteger.Parse(canonical[..digits], CultureInfo.InvariantCulture);
        var suffix = canonical[digits..];
        var binary = suffix.EndsWith('i') ? "KMGTPE".IndexOf(suffix[0], StringComparison.Ordinal) + 1 : 0;
        if (binary > 0)
        {
            return new(mantissa * BigInteger.Pow(1024, binary) * Unit);
        }

        var exponent =
            suffix.Length > 1 ? int.Parse(suffix[1..], CultureInfo.InvariantCulture)
            : suffix.Length == 0 ? 0
            : ("num kMGTPE".IndexOf(suffix[0], StringComparison.Ordinal) - 3) * 3;
        return new(mantissa * BigInteger.Pow(10, 9 + exponent));
    }
}

/// <summary>Equality, order and names of values.</summary>
internal static class CelValues
{
    public static readonly IEqualityComparer<object> Comparer = new KeyComparer();

    /// <summary>Returns the name of a value's type in overloads.</summary>
    public static string TypeOf(object? value) =>
        value switch
        {
            null => "null",
            bool => "bool",
            long => "int",
            ulong => "uint",
            double => "double",
            string => "string",
            byte[] => "bytes",
            DateTimeOffset => "timestamp",
            TimeSpan => "duration",
            CelList => "list",
            CelMap => "map",
            CelOptional => "optional",
            CelTypeName => "type",
            CelQuantity => "quantity",
            Uri => "url",
            IPAddress => "ip",
            CelNetwork => "cidr",
            _ => value.GetType().Name,
        };

    public static bool Same(object? left, object? right)
    {
        switch (left, right)
        {
            case (null, null):
                return true;
            case (null, _) or (_, null):
                return false;
            case (long or ulong or double, long or ulong or double):
                return !IsNotANumber(left) && !IsNotANumber(right) && Compare(left, right) == 0;
            case (byte[] a, byte[] b):
                return a.AsSpan().SequenceEqual(b);
            case (CelList a, CelList b) when a.Kind == ListKind.Atomic && b.Kind == ListKind.Atomic:
                return a.Count == b.Count && a.Zip(b).All(pair => Same(pair.First, pair.Second));
            case (CelList a, CelList b):
                return a.Count == b.Count && a.TrueForAll(x => b.Exists(y => Same(x, y)));
            case (CelMap a, CelMap b):
                return a.Count == b.Count && a.All(entry => b.TryGetValue(entry.Key, out var other) && Same(entry.Value, other));
            case (CelOptional a, CelOptional b):
                return a.HasValue == b.HasValue && Same(a.Value, b.Value);
            default:
                return left.Equals(right);
        }
    }

    /// <summary>Orders two values of comparable types; numbers compare across types.</summary>
    public static int Compare(object? left, object? right) =>
        (left, right) switch
        {
            (bool a, bool b) => a.CompareTo(b),
            (string a, string b) => string.CompareOrdinal(a, b),
            (byte[] a, byte[] b) => a.AsSpan().SequenceCompareTo(b),
            (DateTimeOffset a, DateTimeOffset b) => a.CompareTo(b),
            (TimeSpan a, TimeSpan b) => a.CompareTo(b),
            (CelQuantity a, CelQuantity b) => a.Nano.CompareTo(b.Nano),
            (double a, double b) => a.CompareTo(b),
            (double a, _) when right is long or ulong => -CompareWhole(right, a),
            (_, double b) when left is long or ulong => CompareWhole(left, b),
            (long or ulong, long or ulong) => Whole(left).CompareTo(Whole(right)),
            _ => throw new CelException("no such overload"),
        };

    private static int CompareWhole(object? whole, double real) =>
        real switch
        {
            >= 1e30 => -1,
            <= -1e30 => 1,
            double.NaN => 1,
            _ => ((decimal)Whole(whole)).CompareTo((decimal)real),
        };

    private static bool IsNotANumber(object value) => value is double real && double.IsNaN(real);

    private static Int128 Whole(object? value) => value is ulong unsigned ? unsigned : (long)value!;

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        bool IEqualityComparer<object>.Equals(object? x, object? y) => Same(x, y);

        int IEqualityComparer<object>.GetHashCode(object value) =>
            value is long or ulong or double ? Convert.ToDouble(value, CultureInfo.InvariantCulture).GetHashCode() : value.GetHashCode();
    }
}

/// <summary>A network with the address that it was written with (not masked).</summary>
internal sealed record CelNetwork(IPAddress Address, int PrefixLength)
{
    public IPNetwork Network => new(Masked, PrefixLength);

    public IPAddress Masked
    {
        get
        {
            var bytes = Address.GetAddressBytes();
            for (var bit = PrefixLength; bit < bytes.Length * 8; bit++)
            {
                bytes[bit / 8] &= (byte)~(0x80 >> bit % 8);
            }

            return new IPAddress(bytes);
        }
    }

    public static CelNetwork? TryParse(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return
            slash > 0
            && IPAddress.TryParse(text[..slash], out var address)
            && int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            && length <= address.GetAddressBytes().Length * 8
            ? new(address, length)
            : null;
    }
}
