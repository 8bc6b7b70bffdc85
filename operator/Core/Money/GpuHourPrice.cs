namespace Bursar.Core.Money;

/// <summary>
/// The price of one GPU, or of one share of a GPU, for an hour: a whole number of nano-currency units (10⁻⁹). A price is rounded half-even
/// to nine decimals once, when a book is loaded. Everything after that is integer arithmetic, so sums do not depend on the order or on how
/// an interval was split. Multiplied by a number of GPUs or shares it is an <see cref="HourlyCost"/>.
/// </summary>
public readonly record struct GpuHourPrice(long NanoPerGpuHour) : IComparable<GpuHourPrice>
{
    public static readonly GpuHourPrice Zero = new(0);

    public static HourlyCost operator *(GpuHourPrice price, int gpus) => new HourlyCost(price.NanoPerGpuHour) * gpus;

    public static bool operator <(GpuHourPrice left, GpuHourPrice right) => left.NanoPerGpuHour < right.NanoPerGpuHour;

    public static bool operator >(GpuHourPrice left, GpuHourPrice right) => left.NanoPerGpuHour > right.NanoPerGpuHour;

    public static GpuHourPrice FromDecimal(decimal perGpuHour) => new(DecimalText.ToNano(perGpuHour));

    /// <summary>Parses a plain decimal such as <c>3.06</c> (see <see cref="DecimalText"/>).</summary>
    public static bool TryParse(string? text, out GpuHourPrice price)
    {
        var isRead = DecimalText.TryParseNano(text, out var nano);
        price = new(nano);
        return isRead;
    }

    public int CompareTo(GpuHourPrice other) => NanoPerGpuHour.CompareTo(other.NanoPerGpuHour);

    /// <summary>Formats the price as a decimal with two to nine places: <c>3.06</c>.</summary>
    public override string ToString() => DecimalText.FromNano(NanoPerGpuHour);
}
