using System.Diagnostics;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>The built program <c>bursar operator</c> as a process of its own, to be killed.</summary>
public sealed class OperatorProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _said;

    private OperatorProcess(Process process)
    {
        _process = process;
        _said = process.StandardError.ReadToEndAsync();
    }

    public static OperatorProcess Start(string kubeconfig, params string[] more)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                Path.Combine(AppContext.BaseDirectory, "bursar.dll"),
                "operator",
                "--kubeconfig",
                kubeconfig,
                "--namespace",
                ClusterWorld.OwnNamespace,
                "--agent-namespace",
                ClusterWorld.AgentNamespace,
                "--metrics-address",
                "127.0.0.1:0",
                .. more,
            ]
        )
        {
            RedirectStandardError = true,
        };
        return new(Process.Start(start)!);
    }

    /// <summary>Kills the process as <c>kill -9</c> does.</summary>
    public async Task KillAsync()
    {
        _process.HasExited.Should().BeFalse("it is to be killed, not to end by itself");
        _process.Kill();
        await _process.WaitForExitAsync();
        (await _said).Should().NotContain("Error", "it was well until then");
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        await _said;
        _process.Dispose();
    }
}
