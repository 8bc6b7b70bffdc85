using System.Diagnostics;

namespace Bursar.Tests.Benchmarks;

/// <summary>One of the two release binaries, from the folder that <c>BURSAR_PUBLISHED</c> names, measured from outside.</summary>
internal sealed class PublishedProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;

    private PublishedProcess(Process process)
    {
        _process = process;
        // Read on, or a full pipe would stop it; what it logs is not part of the measurement.
        _errors = process.StandardError.ReadToEndAsync();
    }

    public static string Absent => "BURSAR_PUBLISHED does not name the folder of the published files; make bench does";

    public static bool IsPresent(string program) => File.Exists(PathOf(program));

    /// <summary>Seconds since the process began.</summary>
    public double Age => (TimeProvider.System.GetUtcNow().UtcDateTime - _process.StartTime.ToUniversalTime()).TotalSeconds;

    public double Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime.TotalSeconds;
        }
    }

    public static PublishedProcess Start(string program, IReadOnlyDictionary<string, string>? environment = null, params string[] arguments)
    {
        var start = new ProcessStartInfo(PathOf(program)) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        return new(Process.Start(start)!);
    }

    public async Task<string> HearAsync(CancellationToken ct) =>
        await _process.StandardOutput.ReadLineAsync(ct)
        ?? throw new InvalidOperationException($"{_process.StartInfo.FileName} ended early: {await _errors}");

    public void MustRun()
    {
        if (_process.HasExited)
            throw new InvalidOperationException($"{_process.StartInfo.FileName} ended early: {_errors.Result}");
    }

    /// <summary>Bytes of <c>VmRSS</c>, <c>RssAnon</c>, <c>VmHWM</c>, ...</summary>
    public long Memory(string name) => OwnProcess.Status(name, _process.Id);

    public async ValueTask DisposeAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString()]);
        await kill.WaitForExitAsync();
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

    private static string PathOf(string program) =>
        Path.GetFullPath(
            Path.Combine(
                Environment.GetEnvironmentVariable("BURSAR_PUBLISHED") is { Length: > 0 } folder ? folder : "/nonexistent",
                program
            )
        );
}
