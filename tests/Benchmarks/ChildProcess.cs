using System.Diagnostics;

namespace Bursar.Tests.Benchmarks;

/// <summary>This program again, in a process of its own, spoken to by lines.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process _process;

    private ChildProcess(Process process) => _process = process;

    public static ChildProcess Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        // Under `dotnet Bursar.Tests.Benchmarks.dll` the process is dotnet itself.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return new(Process.Start(start)!);
    }

    public async Task SayAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Reads the next line. An end of the output is a failure of the child, whose stack trace is on stderr.</summary>
    public async Task<string> HearAsync(CancellationToken ct) =>
        await _process.StandardOutput.ReadLineAsync(ct) ?? throw new InvalidOperationException("a measured process ended early, see above");

    /// <summary>The child's <c>name=value</c> lines up to <c>end</c>.</summary>
    public async Task<IReadOnlyDictionary<string, double>> FiguresAsync(CancellationToken ct)
    {
        var figures = new Dictionary<string, double>(StringComparer.Ordinal);
        while (await HearAsync(ct) is var line && line != "end")
        {
            if (line.Split('=') is not [var name, var value])
                throw new InvalidOperationException($"a measured process said: {line}");
            figures[name] = double.Parse(value);
        }
        return figures;
    }

    public static void Tell(string name, double value) => Console.WriteLine($"{name}={value:R}");

    public async ValueTask DisposeAsync()
    {
        // The end of its input is the sign to end.
        _process.StandardInput.Close();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }
        _process.Dispose();
    }
}
