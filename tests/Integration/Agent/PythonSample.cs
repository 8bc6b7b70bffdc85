using System.Diagnostics;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.Integration.Agent;

/// <summary>Runs a sample of docs/samples with python3, as python/drive.py drives it.</summary>
internal static class PythonSample
{
    public static async Task<(int Code, string Said)> RunAsync(
        ITestOutputHelper output,
        Dictionary<string, string?> environment,
        params string[] arguments
    )
    {
        var python = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':')
            .Select(folder => Path.Combine(folder, "python3"))
            .FirstOrDefault(File.Exists);
        Skip.If(python is null, "python3 is not on this machine: the samples cannot be run");
        var start = new ProcessStartInfo(python!, [Path.Combine(Repository.Root, "tests/Integration/Agent/python/drive.py"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PYTHONPATH"] = Path.Combine(Repository.Root, "docs/samples"), ["PYTHONDONTWRITEBYTECODE"] = "1" },
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (said, wrong) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(3));
        output.WriteLine(await said + await wrong);
        return (process.ExitCode, await said);
    }
}
