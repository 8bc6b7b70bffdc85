using System.Globalization;
using System.Runtime.CompilerServices;

namespace Bursar.Tests.Simulation;

/// <summary>The tasks of a real GPU cluster, as far as they lie beside the checkout: their licence is not ours to give.</summary>
internal static class TraceRuns
{
    private const string File = "alibaba-openb-2023-pods.csv";

    /// <summary>How long those that ran for ten minutes to a week took, in seconds.</summary>
    public static IReadOnlyList<double> Durations() => [.. Tasks().Select(task => task.Seconds)];

    /// <summary>The same, with what tells tasks of one kind from another, in the order in which they ended.</summary>
    public static IReadOnlyList<(string Shape, double Ended, double Seconds)> Tasks([CallerFilePath] string here = "")
    {
        var path = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../shared/traces", File));
        Skip.IfNot(System.IO.File.Exists(path), $"there is no trace {path}");
        return [.. System.IO.File.ReadLines(path).Skip(1).Select(line => line.Split(','))
            .Where(row => row[3] != "0" && row[9].Length > 0 && row[10].Length > 0)
            // The shape of the request stands for the template, which the trace does not tell.
            .Select(row => (Shape: string.Join(',', row[1..7]), Ended: Number(row[9]), Seconds: Number(row[9]) - Number(row[10])))
            .Where(task => task.Seconds is > 600 and < 604_800)
            .OrderBy(task => task.Ended)];
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
