namespace Bursar.Tests.TestKit;

/// <summary>The files of the repository that this test assembly was built in.</summary>
public static class Repository
{
    public static string Root { get; } = Find();

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static bool Has(string path) => File.Exists(Path.Combine(Root, path)) || Directory.Exists(Path.Combine(Root, path));

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException("not run from within the repository");
    }
}
