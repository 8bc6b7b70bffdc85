using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Bursar.Hosting;

/// <summary>Loops as services of a generic host. The host stops when one of them ends or fails.</summary>
public static class HostedLoops
{
    /// <summary>
    /// Leaves signals to the caller. System.CommandLine already turns SIGINT and SIGTERM into the cancellation of a command, and a host in a
    /// test or in the demo must not stop by itself.
    /// </summary>
    public static IServiceCollection AddCallersLifetime(this IServiceCollection services) =>
        services.AddSingleton<IHostLifetime, CallersLifetime>();

    /// <summary>Adds a loop, which runs while the host runs. When the host stops, loops end first, the last one added before the others, and servers after them.</summary>
    public static IServiceCollection AddLoop(this IServiceCollection services, Func<CancellationToken, Task> run) =>
        services.AddSingleton<IHostedService>(provider => new HostedLoop(run, provider.GetRequiredService<IHostApplicationLifetime>()));

    /// <summary>Runs a host until the token is cancelled or a loop ends, and disposes it.</summary>
    /// <exception cref="Exception">What made a loop fail; the host itself only logs it.</exception>
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
                // A host does not stop what it started before a start failed.
                await host.StopAsync(CancellationToken.None);
                await ThrowFailureAsync(host);
                throw;
            }
            await host.WaitForEndAsync(cancellationToken);
        }
    }

    /// <summary>Waits for the end of a host that has started, as <see cref="RunToEndAsync"/> does.</summary>
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
            // What the loop does is no part of what its starter does.
            using var apart = ExecutionContext.SuppressFlow();
            // A start that is cancelled must not end all loops at once: they end one by one when the host stops.
            return base.StartAsync(CancellationToken.None);
        }

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        /// <summary>Awaits the loop's last writes. The caller limits how long that may take, by ending the process.</summary>
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
