using System.Globalization;

namespace Bursar.Core.Ledger;

/// <summary>A UTC day as the number of days since 1970-01-01. The ledger's objects and measurements are divided by it.</summary>
internal static class UtcDay
{
    public const long Milliseconds = 86_400_000;

    public static int From(long at) => (int)((at >= 0 ? at : at - Milliseconds + 1) / Milliseconds);

    public static long Start(int day) => day * Milliseconds;

    /// <summary>Returns the first day that begins at or after a time.</summary>
    public static int AtOrAfter(long at) => -From(-at);

    public static int Parse(string text) =>
        DateTimeOffset.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var day)
            ? From(day.ToUnixTimeMilliseconds())
            : int.MinValue;

    public static string Text(int day) =>
        DateTimeOffset.FromUnixTimeMilliseconds(Start(day)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
