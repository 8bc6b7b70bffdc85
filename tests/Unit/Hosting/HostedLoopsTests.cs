using Bursar.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Bursar.Tests.Unit.Hosting;

public sealed class HostedLoopsTests
{
    private readonly HostApplicationBuilder _builder = Host.CreateEmptyApplicationBuilder(new() { DisableDefaults = true });
    private readonly List<string> _ends = [];
    private readonly SemaphoreSlim _begun = new(0);

    public HostedLoopsTests() => _builder.Services.AddCallersLifetime();

    [Fact]
    public async Task Failed_loop_ends_the_others_and_its_failure_is_thrown()
    {
        _builder
            .Services.AddLoop(token => UntilCancelledAsync("steady", token))
            .AddLoop(async _ =>
            {
                await _begun.WaitAsync(CancellationToken.None);
                throw new InvalidOperationException("broken");
            });

        var run = _builder.Build().RunToEndAsync(CancellationToken.None);

        await FluentActions.Awaiting(() => run).Should().ThrowAsync<InvalidOperationException>().WithMessage("broken");
        _ends.Should().Equal("steady");
    }

    [Fact]
    public async Task Loop_that_returns_ends_the_host_without_a_failure()
    {
        _builder.Services.AddLoop(token => UntilCancelledAsync("steady", token)).AddLoop(_ => _begun.WaitAsync(CancellationToken.None));

        await _builder.Build().RunToEndAsync(CancellationToken.None);

        _ends.Should().Equal("steady");
    }

    [Fact]
    public async Task Cancelled_host_ends_loops_in_reverse_order_and_then_servers()
    {
        using var stop = new CancellationTokenSource();
        _builder
            .Services.AddLoop(token => UntilCancelledAsync("first", token))
            .AddLoop(token => UntilCancelledAsync("second", token))
            .AddSingleton<IHostedService>(new Server(_ends, () =>
                {
                    _begun.Wait();
                    _begun.Wait();
                    stop.Cancel();
                }));

        await _builder.Build().RunToEndAsync(stop.Token);

        _ends.Should().Equal("second", "first", "server");
    }

    [Fact]
    public async Task Failed_start_of_a_server_ends_what_was_started()
    {
        _builder
            .Services.AddLoop(token => UntilCancelledAsync("loop", token))
            .AddSingleton<IHostedService>(new Server(_ends, () =>
                {
                    _begun.Wait();
                    throw new IOException("cannot listen");
                }));

        var run = _builder.Build().RunToEndAsync(CancellationToken.None);

        await FluentActions.Awaiting(() => run).Should().ThrowAsync<IOException>();
        _ends.Should().StartWith("loop");
    }

    private async Task UntilCancelledAsync(string name, CancellationToken cancellationToken)
    {
        _begun.Release();
        await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The last writes of the loop take a while.
        await Task.Yield();
        _ends.Add(name);
    }

    private sealed class Server(List<string> ends, Action start) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            start();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            ends.Add("server");
            return Task.CompletedTask;
        }
    }
}
