namespace Bursar.Tests.TestKit;

/// <summary>A folder of its own with a short path (a Unix socket's path has 107 bytes at most).</summary>
public sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("bursar-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
