using System.Globalization;

namespace Bursar.Core.Money;

/// <summary>
/// The only format of amounts in resources: digits with an optional fraction, such as <c>500</c> or <c>2.295</c>. No sign, exponent, suffix
/// or grouping. Amounts are no Kubernetes quantities, because <c>500m</c> and <c>500M</c> differ by 10⁹.
/// </summary>
public static class DecimalText
{
    /// <summary>The accepted format as a schema pattern.</summary>
    public const string Pattern = @"^[0-9]{1,12}(\.[0-9]{1,9})?$";

    public static bool TryParse(string? text, out decimal value)
    {
        value = 0;
        if (string.IsNullOrEmpty(text) || text.Length > 22)
            return false;
        var dot = text.IndexOf('.');
        var whole = dot < 0 ? text.Length : dot;
        if (whole is 0 or > 12 || dot >= 0 && (dot == text.Length - 1 || text.Length - dot - 1 > 9))
            return false;
        for (var i = 0; i < text.Length; i++)
            if (i != dot && !char.IsAsciiDigit(text[i]))
                return false;
        return decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Parses up to 9 × 10⁹ as nano-currency units (10⁻⁹).</summary>
    internal static bool TryParseNano(string? text, out long nano)
    {
        nano = 0;
        if (!TryParse(text, out var value) || value > 9_000_000_000m)
            return false;
        nano = ToNano(value);
        return true;
    }

    /// <summary>Rounds half-even to nano-currency units.</summary>
    internal static long ToNano(decimal value) => (long)decimal.Round(value * 1_000_000_000m, 0, MidpointRounding.ToEven);

    internal static string FromNano(long nano) => (nano / 1_000_000_000m).ToString("0.00#######", CultureInfo.InvariantCulture);
}
