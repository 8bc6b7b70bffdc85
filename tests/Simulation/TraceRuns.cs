using System.Globalization;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Simulation;

/// <summary>The tasks of a synthetic cluster trace that used GPUs for ten minutes to a week.</summary>
internal static class TraceRuns
{
    /// <summary>Their lengths, in seconds.</summary>
    public static IReadOnlyList<double> Durations() => [.. Tasks().Select(task => task.Seconds)];

    /// <summary>The same, with the shape that distinguishes kinds of tasks, in the order in which they ended.</summary>
    public static IReadOnlyList<(string Shape, double Ended, double Seconds)> Tasks() =>
        [
            .. SyntheticTraces
                .Tasks()
                .Where(row => row[3] != "0" && row[10].Length > 0)
                // The shape of the request represents the template, which a trace does not name.
                .Select(row => (Shape: string.Join(',', row[1..7]), Ended: Number(row[9]), Seconds: Number(row[9]) - Number(row[10])))
                .Where(task => task.Seconds is > 600 and < 604_800)
                .OrderBy(task => task.Ended),
        ];

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
