using System.Diagnostics;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Docs;

/// <summary>The output of <c>make demo</c>, with a dotnet that only prints how it was called.</summary>
public sealed class MakeDemoTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bursar-make-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableFact]
    public async Task First_demo_prints_its_steps_and_their_duration()
    {
        Skip.IfNot(File.Exists("/usr/bin/make"), "no /usr/bin/make");
        File.Copy(Path.Combine(Repository.Root, "Makefile"), Path.Combine(_folder, "Makefile"));
        var dotnet = Path.Combine(_folder, "dotnet");
        File.WriteAllText(dotnet, "#!/bin/sh\necho dotnet $(basename \"$1\") $2\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(dotnet, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string[] steps =
        [
            "1/3 restoring packages ...",
            "dotnet restore operator/Demo",
            "2/3 compiling ...",
            "dotnet build operator/Demo",
            "3/3 starting the demo ...",
            "dotnet bursar-demo.dll",
        ];

        (await MakeDemoAsync(dotnet))
            .Should()
            .Equal([
                "The first time, NuGet packages are restored (about 100 MB) and the operator is compiled: one to five minutes. Later starts take seconds.",
                .. steps,
            ]);

        var built = Directory.CreateDirectory(Path.Combine(_folder, "operator/Demo/bin/Release/net10.0")).FullName;
        File.WriteAllText(Path.Combine(built, "bursar-demo.dll"), "");
        (await MakeDemoAsync(dotnet)).Should().Equal(steps, "a later start is not announced as a long one");
    }

    private async Task<string[]> MakeDemoAsync(string dotnet)
    {
        var start = new ProcessStartInfo("/usr/bin/make", ["--no-print-directory", "demo", $"DOTNET={dotnet}", "CONFIGURATION=Release"])
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A make that runs these tests has exported its own flags.
        foreach (var name in (string[])["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DEMO_ARGS"])
            start.Environment.Remove(name);
        using var make = Process.Start(start)!;
        var errors = make.StandardError.ReadToEndAsync();
        var output = await make.StandardOutput.ReadToEndAsync();
        await make.WaitForExitAsync();
        make.ExitCode.Should().Be(0, await errors);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
