using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Agent;

/// <summary>A stub libnvidia-ml.so.1, compiled from <c>native/nvml_stub.c</c> for one test, whose answers a script sets.</summary>
internal sealed class StubNvml : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly Dictionary<string, string> _script = [];

    private StubNvml() { }

    public string Library => _folder.File("libnvidia-ml.so.1");

    public static StubNvml Build(params string[] macros)
    {
        var stub = new StubNvml();
        stub.Compile(Path.Combine(Here(), "native", "nvml_stub.c"), macros);
        return stub;
    }

    private static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;

    public StubNvml Set(string key, object value)
    {
        _script[key] = value.ToString()!;
        // Renamed into place: the reader must not see half a script.
        File.WriteAllLines(_folder.File("script.new"), _script.Select(s => $"{s.Key}={s.Value}"));
        File.Move(_folder.File("script.new"), _folder.File("script"), overwrite: true);
        return this;
    }

    public void Dispose() => _folder.Dispose();

    private void Compile(string source, string[] macros)
    {
        var start = new ProcessStartInfo("gcc") { RedirectStandardError = true };
        foreach (
            string argument in (string[])
                [
                    "-shared",
                    "-fPIC",
                    "-O1",
                    "-Wall",
                    "-Werror",
                    $"-DSTUB_SCRIPT=\"{_folder.File("script")}\"",
                    .. macros.Select(m => "-D" + m),
                    "-o",
                    Library,
                    source,
                ]
        )
            start.ArgumentList.Add(argument);
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (Win32Exception)
        {
            // The skip below reports it.
        }
        Skip.If(process is null, "gcc is not installed: the stub of NVML cannot be built");
        using (process)
        {
            string errors = process!.StandardError.ReadToEnd();
            process.WaitForExit();
            process.ExitCode.Should().Be(0, errors);
        }
    }
}
