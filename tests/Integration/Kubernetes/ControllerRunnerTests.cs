using System.Collections.Concurrent;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Kubernetes;

public class ControllerRunnerTests
{
    [Fact]
    public async Task Controller_retries_failures_handles_deletions_and_ends_idle()
    {
        VirtualTimeProvider clock = new();
        ActivityTracker tracker = ActivityTracker.From(clock)!;
        TaskCompletionSource delete = new();
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (!asked.IsWatch)
                {
                    await context.JsonAsync(
                        Answers.List(
                            "10",
                            Answers.Map("good", "1"),
                            Answers.Map("bad", "2"),
                            Answers.Map("thrown", "3"),
                            Answers.Map("later", "4")
                        )
                    );
                    return;
                }

                await context.Response.Body.FlushAsync();
                await delete.Task;
                Guid stream = Guid.Parse(asked.Headers[ActivityTracker.Header]);
                tracker.Sent(stream);
                await context.EventAsync("DELETED", Answers.Map("good", "11"));
                await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Informer<V1ConfigMap> informer = new(client, new InformerOptions { StreamingList = false });
        Recording controller = new();
        using ControllerRunner<V1ConfigMap> runner = new(
            client,
            informer,
            controller,
            new ControllerRunnerOptions<V1ConfigMap> { Workers = 2 }
        );
        using CancellationTokenSource stop = new();
        Task following = informer.RunAsync(stop.Token),
            running = runner.RunAsync(stop.Token);

        await Until.TrueAsync(() => controller.Count("good") == 1 && controller.Count("later") == 1, "the first round");
        await Until.TrueAsync(
            () => controller.Count("bad") >= 12 && controller.Count("thrown") >= 12,
            "failures are retried",
            () => clock.Advance(TimeSpan.FromSeconds(5))
        );
        controller.Healed = true;
        await Until.TrueAsync(
            () => runner.Queue.Failures(new ObjectKey("a", "bad")) == 0 && runner.Queue.Failures(new ObjectKey("a", "thrown")) == 0,
            "success",
            () => clock.Advance(TimeSpan.FromSeconds(30))
        );
        controller.Count("good").Should().Be(1);
        controller.Count("later").Should().BeGreaterThan(1, "it asked to be requeued");

        delete.SetResult();
        await Until.TrueAsync(() => controller.Count("-good") == 1, "the deletion");
        await tracker.WhenIdleAsync(default).WaitAsync(TimeSpan.FromSeconds(30));
        runner.Queue.Stats.Should().BeEquivalentTo(new { Waiting = 0, Processing = 0 });
        await stop.CancelAsync();
        await Task.WhenAll(following, running).WaitAsync(TimeSpan.FromSeconds(30));
        tracker.IsIdle.Should().BeTrue();
        controller.Overlapped.Should().BeFalse();
    }

    [Fact]
    public async Task Controller_that_finds_another_leader_ends_the_runner()
    {
        VirtualTimeProvider clock = new();
        ActivityTracker tracker = ActivityTracker.From(clock)!;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (asked, context) => asked.IsWatch ? context.HoldAsync() : context.JsonAsync(Answers.List("10", Answers.Map("m", "1")))
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Informer<V1ConfigMap> informer = new(client, new InformerOptions { StreamingList = false });
        using ControllerRunner<V1ConfigMap> runner = new(
            client,
            informer,
            new Deposed(),
            new ControllerRunnerOptions<V1ConfigMap> { Workers = 3 }
        );
        using CancellationTokenSource stop = new();
        Task following = informer.RunAsync(stop.Token);

        await FluentActions
            .Awaiting(() => runner.RunAsync(stop.Token).WaitAsync(TimeSpan.FromSeconds(30)))
            .Should()
            .ThrowAsync<LeadershipLostException>();

        await tracker.WhenIdleAsync(default).WaitAsync(TimeSpan.FromSeconds(30));
        await stop.CancelAsync();
        await following.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private sealed class Deposed : IEntityController<V1ConfigMap>
    {
        public Task<ReconciliationResult<V1ConfigMap>> ReconcileAsync(V1ConfigMap entity, CancellationToken cancellationToken) =>
            throw new LeadershipLostException("another one leads");

        public Task<ReconciliationResult<V1ConfigMap>> DeletedAsync(V1ConfigMap entity, CancellationToken cancellationToken) =>
            throw new LeadershipLostException("another one leads");
    }

    private sealed class Recording : IEntityController<V1ConfigMap>
    {
        private readonly ConcurrentDictionary<string, int> _seen = [];
        private readonly ConcurrentDictionary<string, bool> _now = [];

        public volatile bool Healed;

        public bool Overlapped { get; private set; }

        public int Count(string name) => _seen.GetValueOrDefault(name);

        public async Task<ReconciliationResult<V1ConfigMap>> ReconcileAsync(V1ConfigMap entity, CancellationToken cancellationToken)
        {
            string name = entity.Metadata.Name;
            if (!_now.TryAdd(name, true))
                Overlapped = true;
            await Task.Yield();
            _now.TryRemove(name, out _);
            _seen.AddOrUpdate(name, 1, (_, count) => count + 1);
            if (name == "later")
                return ReconciliationResult<V1ConfigMap>.Success(entity, TimeSpan.FromSeconds(20));
            if (Healed || name == "good")
                return ReconciliationResult<V1ConfigMap>.Success(entity);
            if (name == "thrown")
                throw new InvalidOperationException("thrown");
            return ReconciliationResult<V1ConfigMap>.Failure(entity, "bad");
        }

        public Task<ReconciliationResult<V1ConfigMap>> DeletedAsync(V1ConfigMap entity, CancellationToken cancellationToken)
        {
            _seen.AddOrUpdate("-" + entity.Metadata.Name, 1, (_, count) => count + 1);
            return Task.FromResult(ReconciliationResult<V1ConfigMap>.Success(entity));
        }
    }
}
