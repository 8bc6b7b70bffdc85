using System.Text.Json.Serialization;

namespace Bursar.Core.Money;

/// <summary>
/// The cost per hour of any number of GPUs, such as those of a pod, a workload or a budget: a whole number of nano-currency units (10⁻⁹).
/// Multiplied by a duration it is an <see cref="Amount"/>.
/// </summary>
[JsonConverter(typeof(HourlyCostJsonConverter))]
public readonly record struct HourlyCost(long NanoPerHour) : IComparable<HourlyCost>
{
    public static readonly HourlyCost Zero = new(0);

    /// <summary>Returns the amount for <paramref name="milliseconds"/> at this cost.</summary>
    public Amount For(long milliseconds) => Amount.Product(NanoPerHour, milliseconds);

    public Amount For(TimeSpan time) => For(time.Ticks / TimeSpan.TicksPerMillisecond);

    // Saturates, because a mistyped count must neither wrap around nor fail the reading of a whole namespace.
    public static HourlyCost operator *(HourlyCost cost, int count) => Bounded((Int128)cost.NanoPerHour * count);

    public static HourlyCost operator +(HourlyCost left, HourlyCost right) => Bounded((Int128)left.NanoPerHour + right.NanoPerHour);

    public static bool operator <(HourlyCost left, HourlyCost right) => left.NanoPerHour < right.NanoPerHour;

    public static bool operator >(HourlyCost left, HourlyCost right) => left.NanoPerHour > right.NanoPerHour;

    public static HourlyCost FromDecimal(decimal perHour) => new(DecimalText.ToNano(perHour));

    /// <summary>Parses a plain decimal such as <c>24.48</c> (see <see cref="DecimalText"/>).</summary>
    public static bool TryParse(string? text, out HourlyCost cost)
    {
        var isRead = DecimalText.TryParseNano(text, out var nano);
        cost = new(nano);
        return isRead;
    }

    private static HourlyCost Bounded(Int128 nano) => new((long)Int128.Clamp(nano, long.MinValue, long.MaxValue));

    public int CompareTo(HourlyCost other) => NanoPerHour.CompareTo(other.NanoPerHour);

    /// <summary>Formats the cost as a decimal with two to nine places: <c>24.48</c>.</summary>
    public override string ToString() => DecimalText.FromNano(NanoPerHour);
}
