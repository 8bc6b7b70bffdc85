namespace Bursar.Tests.EndToEnd;

/// <summary>A chart in a temporary folder that has Bursar's chart as a dependency with a condition.</summary>
internal sealed class ParentChart : IDisposable
{
    private ParentChart(string path) => Path = path;

    public string Path { get; }

    public static ParentChart Create(string? alias)
    {
        var path = Directory.CreateTempSubdirectory("bursar-parent-").FullName;
        CopyTo(InstallTool.Chart, System.IO.Path.Combine(path, "charts", "gpu-budget-operator"));
        File.WriteAllText(
            System.IO.Path.Combine(path, "Chart.yaml"),
            $"""
            apiVersion: v2
            name: platform
            version: 1.0.0
            dependencies:
            - name: gpu-budget-operator
              version: 0.1.0
              condition: {alias ?? "gpu-budget-operator"}.enabled
            {(alias is null ? "" : $"  alias: {alias}")}

            """
        );
        return new(path);
    }

    public static void CopyTo(string chart, string target)
    {
        foreach (var file in Directory.EnumerateFiles(chart, "*", SearchOption.AllDirectories))
        {
            var copy = System.IO.Path.Combine(target, System.IO.Path.GetRelativePath(chart, file));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
