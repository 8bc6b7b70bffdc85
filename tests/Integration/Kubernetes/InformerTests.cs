using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Kubernetes;

public class InformerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Object_deleted_between_watches_is_reported_as_deleted(bool asEvent)
    {
        int lists = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (!asked.IsWatch)
                {
                    await context.JsonAsync(
                        ++lists == 1
                            ? Answers.List(
                                "10",
                                Answers.Map("kept", "1"),
                                Answers.Map("gone", "2"),
                                Answers.Map("remade", "3", "old"),
                                Answers.Map("changed", "4")
                            )
                            : Answers.List(
                                "30",
                                Answers.Map("kept", "1"),
                                Answers.Map("remade", "21", "new"),
                                Answers.Map("changed", "22"),
                                Answers.Map("fresh", "23")
                            )
                    );
                }
                else if (asked.Query.Contains("resourceVersion=10", StringComparison.Ordinal))
                {
                    if (asEvent)
                        await context.EventAsync("ERROR", """{"kind":"Status","code":410,"reason":"Expired"}""");
                    else
                        await context.StatusAsync(410, "Expired");
                }
                else
                {
                    await context.HoldAsync();
                }
            }
        );
        using KubeClient client = server.Client();
        List<string> told = [];
        Informer<V1ConfigMap> informer = new(client, new InformerOptions { StreamingList = false });
        informer.AddHandler(Telling(told));

        await RunAsync(informer, () => informer.Store.Get("a", "fresh") is not null);

        told.Take(4).Should().BeEquivalentTo("+kept", "+gone", "+remade:old", "+changed");
        told.Skip(4).Should().BeEquivalentTo("-gone", "-remade:old", "+remade:new", "changed 4>22", "+fresh");
        informer.Store.Count.Should().Be(4);
        informer.Store.GetByUid("old").Should().BeNull();
        informer.Store.GetByUid("new")!.Metadata.Name.Should().Be("remade");
        informer.Store.ByIndex(Indexes.Namespace, "a").Should().HaveCount(4);
    }

    [Fact]
    public async Task Watch_continues_from_the_last_bookmark()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (!asked.IsWatch)
                    await context.JsonAsync(Answers.List("10", Answers.Map("a", "1")));
                else if (asked.Query.Contains("resourceVersion=10", StringComparison.Ordinal))
                {
                    await context.EventAsync("MODIFIED", Answers.Map("a", "11"));
                    await context.EventAsync("BOOKMARK", """{"metadata":{"resourceVersion":"40"}}""");
                }
                else if (asked.Query.Contains("resourceVersion=40", StringComparison.Ordinal))
                {
                    await context.EventAsync("DELETED", Answers.Map("a", "41"));
                    await context.HoldAsync();
                }
                else
                    await context.StatusAsync(500, "InternalError");
            }
        );
        using KubeClient client = server.Client();
        List<string> told = [];
        Informer<V1ConfigMap> informer = new(client, new InformerOptions { StreamingList = false });
        informer.AddHandler(Telling(told));
        await RunAsync(informer, () => informer.Health.Events == 3);
        told.Should().Equal("+a", "a 1>11", "-a");
        server.Requests.Count(asked => !asked.IsWatch).Should().Be(1);
    }

    [Fact]
    public async Task Streaming_list_continues_as_the_watch()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                asked.IsStreamingList.Should().BeTrue();
                await context.EventAsync("ADDED", Answers.Map("a", "1"));
                await context.EventAsync("ADDED", Answers.Map("b", "2"));
                await context.EventAsync(
                    "BOOKMARK",
                    """{"metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}"""
                );
                await context.EventAsync("MODIFIED", Answers.Map("b", "6"));
                await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client();
        Informer<V1ConfigMap> informer = new(client);
        await RunAsync(informer, () => informer.Store.Get("a", "b")?.Metadata.ResourceVersion == "6");
        server.Requests.Should().ContainSingle().Which.Query.Should().Contain("resourceVersionMatch=NotOlderThan");
    }

    [Theory]
    [InlineData("status")]
    [InlineData("event")]
    public async Task Informer_falls_back_to_pages_and_remembers_it_without_streaming_lists(string shape)
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (asked.IsStreamingList && shape == "status")
                    await context.StatusAsync(422, "Invalid", "sendInitialEvents is forbidden");
                else if (asked.IsStreamingList)
                    await context.EventAsync(
                        "ERROR",
                        """{"kind":"Status","code":500,"message":"etcd: RequestWatchProgress is not supported"}"""
                    );
                else if (!asked.IsWatch)
                    await context.JsonAsync(Answers.List("10", Answers.Map("a", "1")));
                else
                    await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client();
        Informer<V1ConfigMap> first = new(client);
        await RunAsync(first, () => first.HasSynced);
        Informer<V1ConfigMap> second = new(client);
        await RunAsync(second, () => second.HasSynced);
        first.Store.Count.Should().Be(1);
        second.Store.Count.Should().Be(1);
        server.Requests.Count(asked => asked.IsStreamingList).Should().Be(1);
    }

    [Fact]
    public async Task Optional_kind_may_be_absent_and_appear_later()
    {
        VirtualTimeProvider clock = new();
        bool served = false;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (asked.Path == "/apis")
                {
                    string resources = served ? """{"resource":"workloads"}""" : "";
                    await context.JsonAsync(
                        $$"""{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"kueue.x-k8s.io"},"versions":[{"version":"v1beta2","resources":[{{resources}}] }]}]}"""
                    );
                }
                else if (!asked.IsWatch)
                    await context.JsonAsync(
                        """{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"w","namespace":"a","uid":"u"}}]}"""
                    );
                else
                    await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Informer<V1Workload> informer = new(client, new InformerOptions { Optional = true, StreamingList = false });
        using CancellationTokenSource stop = new();
        Task run = informer.RunAsync(stop.Token);
        await informer.HasSyncedAsync(default).WaitAsync(TimeSpan.FromSeconds(30));
        informer.IsServed.Should().BeFalse();
        informer.Store.Count.Should().Be(0);

        served = true;
        await Until.TrueAsync(() => informer.Store.Count == 1, "the kind appears", () => clock.Advance(TimeSpan.FromSeconds(30)));
        informer.IsServed.Should().BeTrue();
        await stop.CancelAsync();
        await run;
    }

    [Fact]
    public async Task Failures_wait_longer_each_time_and_end_with_success()
    {
        VirtualTimeProvider clock = new();
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (request, context) =>
            {
                if (request.IsWatch)
                    await context.HoldAsync();
                else if (Interlocked.Increment(ref asked) <= 4)
                    await context.StatusAsync(403, "Forbidden");
                else
                    await context.JsonAsync(Answers.List("1"));
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Informer<V1ConfigMap> informer = new(client, new InformerOptions { StreamingList = false });
        using CancellationTokenSource stop = new();
        Task run = informer.RunAsync(stop.Token);
        await Until.TrueAsync(() => informer.Health.ConsecutiveFailures >= 1, "a failure");
        informer.HasSynced.Should().BeFalse();
        informer.Health.LastError.Should().Contain("no");
        await Until.TrueAsync(() => informer.HasSynced, "sync", () => clock.Advance(TimeSpan.FromMilliseconds(250)));
        clock.GetUtcNow().Should().BeAfter(new DateTimeOffset(2026, 1, 1, 0, 0, 3, TimeSpan.Zero));
        informer.Health.ConsecutiveFailures.Should().Be(0);
        await stop.CancelAsync();
        await run;
    }

    [Fact]
    public async Task Indexes_follow_the_objects()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (!asked.IsWatch)
                {
                    await context.JsonAsync(
                        """{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"p","namespace":"a","uid":"u","resourceVersion":"1","ownerReferences":[{"kind":"Job","name":"j","uid":"job-1","controller":true}]},"spec":{"nodeName":"n1"}}]}"""
                    );
                    return;
                }

                await context.EventAsync(
                    "MODIFIED",
                    """{"metadata":{"name":"p","namespace":"a","uid":"u","resourceVersion":"2"},"spec":{"nodeName":"n2"}}"""
                );
                await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client();
        Informer<V1Pod> informer = new Informer<V1Pod>(client, new InformerOptions { StreamingList = false }).AddIndex("node", pod =>
            [pod.Spec.NodeName ?? ""]
        );
        int owned = -1;
        informer.AddHandler(new InformerHandler<V1Pod> { Added = _ => owned = informer.Store.ByIndex(Indexes.OwnerUid, "job-1").Count });
        await RunAsync(informer, () => informer.Store.ByIndex("node", "n2").Count == 1);
        owned.Should().Be(1);
        informer.Store.ByIndex("node", "n1").Should().BeEmpty();
        informer.Store.ByIndex(Indexes.OwnerUid, "job-1").Should().BeEmpty();
    }

    private static InformerHandler<V1ConfigMap> Telling(List<string> told) =>
        new()
        {
            Added = obj => told.Add($"+{Name(obj)}"),
            Updated = (former, obj) => told.Add($"{obj.Metadata.Name} {former.Metadata.ResourceVersion}>{obj.Metadata.ResourceVersion}"),
            Deleted = obj => told.Add($"-{Name(obj)}"),
        };

    private static string Name(V1ConfigMap obj) =>
        obj.Metadata.Name == obj.Metadata.Uid ? obj.Metadata.Name : $"{obj.Metadata.Name}:{obj.Metadata.Uid}";

    private static async Task RunAsync<T>(Informer<T> informer, Func<bool> until)
        where T : class, IKubernetesEntity<T>
    {
        using CancellationTokenSource stop = new();
        Task run = informer.RunAsync(stop.Token);
        await Until.TrueAsync(until, "the state of the store");
        await stop.CancelAsync();
        await run.WaitAsync(TimeSpan.FromSeconds(30));
    }
}
