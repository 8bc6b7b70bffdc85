using System.Globalization;

namespace Bursar.Operator.Scaling.External;

/// <summary>The header <c>grpc-timeout</c>: at most eight digits and a unit, such as <c>3S</c>, <c>250m</c> or <c>1H</c>.</summary>
internal static class GrpcTimeout
{
    /// <summary>Longer ones are none: a timer takes no more than seven weeks.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(24);

    /// <returns>Null: the call has no deadline.</returns>
    public static TimeSpan? Read(string? header)
    {
        if (string.IsNullOrEmpty(header)) return null;
        if (header.Length is < 2 or > 9 || !long.TryParse(header.AsSpan(0, header.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var amount)) throw Malformed(header);
        double milliseconds = header[^1] switch
        {
            'H' => amount * 3_600_000d,
            'M' => amount * 60_000d,
            'S' => amount * 1000d,
            'm' => amount,
            // A deadline that is less than a millisecond away is one all the same.
            'u' => Math.Ceiling(amount / 1000d),
            'n' => Math.Ceiling(amount / 1_000_000d),
            _ => throw Malformed(header),
        };
        return milliseconds > Longest.TotalMilliseconds ? null : TimeSpan.FromMilliseconds(milliseconds);
    }

    private static GrpcException Malformed(string header) =>
        new(GrpcCode.Internal, $"malformed grpc-timeout \"{(header.Length > 32 ? header[..32] : header)}\"");
}
