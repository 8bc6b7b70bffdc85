using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Bursar.Hosting;

/// <summary>Runs loops as services of a generic host. The host stops when one of them ends or fails.</summary>
public static class HostedLoops
{
    /// <summary>
    /// Makes the host ignore signals. System.CommandLine already cancels the command on SIGINT and SIGTERM, and a host in a test or in the
    /// demo must not react to them.
    /// </summary>
    public static IServiceCollection AddCallersLifetime(this IServiceCollection services) =>
        services.AddSingleton<IHostLifetime, CallersLifetime>();

    /// <summary>
    /// Adds a loop, which runs while the host runs. When the host stops, loops end in reverse order of being added, then servers.
    /// </summary>
    public static IServiceCollection AddLoop(this IServiceCollection services, Func<CancellationToken, Task> run) =>
        services.AddSingleton<IHostedService>(provider => new HostedLoop(run, provider.GetRequiredService<IHostApplicationLifetime>()));

    /// <summary>Runs a host until the token is cancelled or a loop ends, and disposes it.</summary>
    /// <exception cref="Exception">The failure of a loop; the host itself only logs it.</exception>
    public static async Task RunToEndAsync(this IHost host, CancellationToken cancellationToken)
    {
        using (host)
        {
            try
            {
                await host.StartAsync(cancellationToken);
            }
            catch
            {
                // A host does not stop the services that it started before a failure.
                await host.StopAsync(CancellationToken.None);
                await ThrowFailureAsync(host);
                throw;
            }
            await host.WaitForEndAsync(cancellationToken);
        }
    }

    /// <summary>Waits until a started host stops, and throws the failure of a loop.</summary>
    public static async Task WaitForEndAsync(this IHost host, CancellationToken cancellationToken)
    {
        await host.WaitForShutdownAsync(cancellationToken);
        await ThrowFailureAsync(host);
    }

    private static async Task ThrowFailureAsync(IHost host)
    {
        foreach (var loop in host.Services.GetServices<IHostedService>().OfType<HostedLoop>())
            if (loop.ExecuteTask is { IsFaulted: true } failed)
                await failed;
    }

    private sealed class HostedLoop(Func<CancellationToken, Task> run, IHostApplicationLifetime lifetime)
        : BackgroundService,
            IHostedLifecycleService
    {
        public override Task StartAsync(CancellationToken cancellationToken)
        {
            // The loop must not inherit the starting flow's context, such as its activity unit.
            using var apart = ExecutionContext.SuppressFlow();
            // A cancelled start must not end all loops at once; they end one by one when the host stops.
            return base.StartAsync(CancellationToken.None);
        }

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        /// <summary>Awaits the loop's last writes without a limit. The caller limits it by ending the process.</summary>
        public Task StoppingAsync(CancellationToken cancellationToken) => StopAsync(CancellationToken.None);

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            try
            {
                await run(stoppingToken);
            }
            finally
            {
                lifetime.StopApplication();
            }
        }
    }

    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
