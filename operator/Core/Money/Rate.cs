using System.Globalization;

namespace Bursar.Core.Money;

/// <summary>
/// A price per GPU-hour, as a whole number of nano-currency units (10⁻⁹). A price is rounded half-even to nine
/// decimals once, here, when a book is loaded; everything after is integer arithmetic, so that sums do not depend on
/// order or on how an interval was split.
/// </summary>
[System.Text.Json.Serialization.JsonConverter(typeof(RateJsonConverter))]
public readonly record struct Rate(long NanoPerGpuHour) : IComparable<Rate>
{
    public static readonly Rate Zero = new(0);

    /// <summary>The amount of <paramref name="gpus"/> devices at this rate for <paramref name="milliseconds"/>.</summary>
    public Amount For(long milliseconds, int gpus = 1) => new((Int128)NanoPerGpuHour * gpus * milliseconds);

    public Amount For(TimeSpan time, int gpus = 1) => For(time.Ticks / TimeSpan.TicksPerMillisecond, gpus);

    // Bounded, for a count that somebody mistyped must neither wrap to a gift nor end the reading of a whole namespace.
    public static Rate operator *(Rate rate, int gpus) => Bounded((Int128)rate.NanoPerGpuHour * gpus);

    public static Rate operator +(Rate left, Rate right) => Bounded((Int128)left.NanoPerGpuHour + right.NanoPerGpuHour);

    public static bool operator <(Rate left, Rate right) => left.NanoPerGpuHour < right.NanoPerGpuHour;

    public static bool operator >(Rate left, Rate right) => left.NanoPerGpuHour > right.NanoPerGpuHour;

    public static Rate FromDecimal(decimal perGpuHour) =>
        new((long)decimal.Round(perGpuHour * 1_000_000_000m, 0, MidpointRounding.ToEven));

    /// <summary>Reads a plain decimal such as <c>3.06</c>; no sign, no exponent, no grouping.</summary>
    public static bool TryParse(string? text, out Rate rate)
    {
        rate = default;
        if (!DecimalText.TryParse(text, out var value) || value > 9_000_000_000m) return false;
        rate = FromDecimal(value);
        return true;
    }

    private static Rate Bounded(Int128 nano) => new((long)Int128.Clamp(nano, long.MinValue, long.MaxValue));

    public int CompareTo(Rate other) => NanoPerGpuHour.CompareTo(other.NanoPerGpuHour);

    /// <summary>The rate as a decimal string with at most nine and at least two places: <c>3.06</c>.</summary>
    public override string ToString() =>
        (NanoPerGpuHour / 1_000_000_000m).ToString("0.00#######", CultureInfo.InvariantCulture);
}
