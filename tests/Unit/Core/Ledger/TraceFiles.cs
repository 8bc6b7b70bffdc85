using Bursar.Tests.Unit.Docs;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Public traces of real clusters. They lie beside the checkout and never in it: their licences are not ours to give.</summary>
internal static class TraceFiles
{
    /// <summary>The rows below the heading, each cut at its commas; skips the test where the file is not there.</summary>
    public static string[][] Rows(string file)
    {
        var path = Path.GetFullPath(Path.Combine(Repository.Root, "../shared/traces", file));
        Skip.IfNot(File.Exists(path), $"there is no trace {path}");
        return [.. File.ReadLines(path).Skip(1).Where(line => line.Length > 0).Select(line => line.Split(','))];
    }
}
