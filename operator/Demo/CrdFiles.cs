using System.Reflection;

namespace Bursar.Demo;

/// <summary>The generated CRDs, embedded in this program and installed on its cluster.</summary>
internal static class CrdFiles
{
    private const string Prefix = "crds/";

    /// <summary>Returns file names and YAML texts, ordered by name.</summary>
    public static IReadOnlyList<(string Name, string Yaml)> ReadAll()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var files = new List<(string, string)>();
        foreach (
            var name in assembly
                .GetManifestResourceNames()
                .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
        )
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add((name[Prefix.Length..], reader.ReadToEnd()));
        }
        return files;
    }
}
