using System.Globalization;

namespace Bursar.Core.Money;

/// <summary>
/// An exact amount: a whole number of nano-currency·GPU-milliseconds per hour (price per hour × time, not yet divided). The division by
/// 3,600,000 happens only when a number is shown. So <c>a + b + c</c> does not depend on the order or on how an interval is split.
/// </summary>
[System.Text.Json.Serialization.JsonConverter(typeof(AmountJsonConverter))]
public readonly record struct Amount : IComparable<Amount>
{
    /// <summary>Units in one nano of the currency: the milliseconds of an hour.</summary>
    public const long UnitsPerNano = 3_600_000;

    private static readonly Int128 UnitsPerWhole = (Int128)UnitsPerNano * 1_000_000_000;

    public static readonly Amount Zero = new(0);

    // Two halves, because a method that handles an Int128 field is not compiled ahead: each start would compile most decisions again.
    private readonly long _upper;
    private readonly ulong _lower;

    public Amount(Int128 units)
        : this((long)(units >> 64), (ulong)units) { }

    private Amount(long upper, ulong lower) => (_upper, _lower) = (upper, lower);

    internal static Amount Product(long left, long right)
    {
        var upper = Math.BigMul(left, right, out long lower);
        return new(upper, (ulong)lower);
    }

    public Int128 Units => new((ulong)_upper, _lower);

    public bool IsNegative => _upper < 0;

    public static Amount operator +(Amount left, Amount right)
    {
        var lower = left._lower + right._lower;
        return new(left._upper + right._upper + (lower < left._lower ? 1 : 0), lower);
    }

    public static Amount operator -(Amount left, Amount right) =>
        new(left._upper - right._upper - (left._lower < right._lower ? 1 : 0), left._lower - right._lower);

    public static Amount operator -(Amount value) => Zero - value;

    public static bool operator <(Amount left, Amount right) => left.CompareTo(right) < 0;

    public static bool operator >(Amount left, Amount right) => left.CompareTo(right) > 0;

    public static bool operator <=(Amount left, Amount right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Amount left, Amount right) => left.CompareTo(right) >= 0;

    public static Amount Max(Amount left, Amount right) => left >= right ? left : right;

    public static Amount Min(Amount left, Amount right) => left <= right ? left : right;

    public static Amount FromDecimal(decimal currency) =>
        new((Int128)decimal.Round(currency * 1_000_000_000m, 0, MidpointRounding.ToEven) * UnitsPerNano);

    /// <summary>Parses a plain decimal such as <c>500</c> or <c>2.295</c> (see <see cref="DecimalText"/>).</summary>
    public static bool TryParse(string? text, out Amount amount)
    {
        amount = default;
        if (!DecimalText.TryParse(text, out var value))
            return false;
        amount = FromDecimal(value);
        return true;
    }

    /// <summary>Returns this amount × percent ÷ 100, rounded toward zero to a whole unit.</summary>
    public Amount Percent(int percent) => new(Units * percent / 100);

    /// <summary>
    /// Returns this amount rounded up to three digits and to whole cents: 13.561 becomes 13.60, 1234.5 becomes 1240. Amounts below 0.1 keep
    /// more places.
    /// </summary>
    public Amount RoundUp()
    {
        if (Units <= 0)
            return this;
        // The smallest step is a millionth, the smallest amount that is shown.
        var step = UnitsPerWhole / 1_000_000;
        while (step * 1000 < Units)
            step *= 10;
        if (Units >= UnitsPerWhole / 10 && step < UnitsPerWhole / 100)
            step = UnitsPerWhole / 100;
        return new((Units + step - 1) / step * step);
    }

    /// <summary>Returns this amount rounded up to whole cents. A limit of the shown amount is then enough.</summary>
    public Amount RoundUpToCent() =>
        Units <= 0 ? this : new((Units + UnitsPerWhole / 100 - 1) / (UnitsPerWhole / 100) * (UnitsPerWhole / 100));

    /// <summary>
    /// Returns this amount as percent of <paramref name="whole"/>, rounded down. A positive amount is 100 % of a whole that is not
    /// positive.
    /// </summary>
    public long PercentOf(Amount whole) =>
        whole.Units <= 0 ? (Units > 0 ? 100 : 0) : (long)Int128.Clamp(Units * 100 / whole.Units, long.MinValue, long.MaxValue);

    /// <summary>Splits this amount by weights so that the parts sum to it exactly (<see cref="LargestRemainder"/>).</summary>
    public Amount[] Split(ReadOnlySpan<long> weights) =>
        Array.ConvertAll(LargestRemainder.Divide(Units, weights), units => new Amount(units));

    public int CompareTo(Amount other) => _upper != other._upper ? _upper.CompareTo(other._upper) : _lower.CompareTo(other._lower);

    /// <summary>Formats the amount in the currency with six places, rounded half-even: <c>2.295000</c>.</summary>
    public override string ToString() => ToString(6);

    /// <summary>Formats with up to nine places, for small amounts such as the cost of a token.</summary>
    public string ToString(int places)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(places);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(places, 9);
        var scale = (long)Math.Pow(10, places);
        var parts = RoundHalfEven(Units, UnitsPerWhole / scale);
        var sign = parts < 0 ? "-" : "";
        if (parts < 0)
            parts = -parts;
        var whole = string.Create(CultureInfo.InvariantCulture, $"{sign}{parts / scale}");
        return places == 0 ? whole : $"{whole}.{((long)(parts % scale)).ToString(CultureInfo.InvariantCulture).PadLeft(places, '0')}";
    }

    /// <summary>
    /// Formats for sentences: two places, and one digit of amounts below a cent: <c>2.30</c>, <c>0.05</c>, <c>0.00007</c>.
    /// </summary>
    public string ToShortString()
    {
        var cents = UnitsPerWhole / 100;
        var magnitude = Units < 0 ? -Units : Units;
        if (magnitude != 0 && magnitude < cents)
        {
            var places = 3;
            for (var unit = cents / 10; magnitude < unit && places < 6; unit /= 10)
                places++;
            return ToString(places);
        }
        var rounded = RoundHalfEven(Units, cents);
        var sign = rounded < 0 ? "-" : "";
        if (rounded < 0)
            rounded = -rounded;
        return string.Create(CultureInfo.InvariantCulture, $"{sign}{rounded / 100}.{(long)(rounded % 100):00}");
    }

    /// <summary>For metrics only, because the exposition format has only floats.</summary>
    public double ToDouble() => (double)Units / (double)UnitsPerWhole;

    private static Int128 RoundHalfEven(Int128 value, Int128 divisor)
    {
        var quotient = value / divisor;
        var remainder = value % divisor;
        var twice = (remainder < 0 ? -remainder : remainder) * 2;
        if (twice > divisor || twice == divisor && Int128.IsOddInteger(quotient))
            quotient += value < 0 ? -1 : 1;
        return quotient;
    }
}
