using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Kubernetes;

public class WatchTests
{
    [Fact]
    public async Task Expired_version_is_recognised_as_an_http_status()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync((_, context) => context.StatusAsync(410, "Expired"));
        using KubeClient client = server.Client();
        await FluentActions.Awaiting(() => ReadAsync(client)).Should().ThrowAsync<WatchExpiredException>();
    }

    [Theory]
    [InlineData("Expired")]
    [InlineData("Gone")]
    public async Task Expired_version_is_recognised_as_an_event(string reason)
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) => context.EventAsync("ERROR", $$"""{"kind":"Status","code":410,"reason":"{{reason}}","message":"too old"}""")
        );
        using KubeClient client = server.Client();
        await FluentActions.Awaiting(() => ReadAsync(client)).Should().ThrowAsync<WatchExpiredException>();
    }

    [Fact]
    public async Task Error_event_other_than_410_is_thrown_as_the_servers_refusal()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) => context.EventAsync("ERROR", """{"kind":"Status","code":500,"reason":"InternalError","message":"boom"}""")
        );
        using KubeClient client = server.Client();
        (await FluentActions.Awaiting(() => ReadAsync(client)).Should().ThrowAsync<ApiException>()).Which.StatusCode.Should().Be(500);
    }

    [Fact]
    public async Task Changes_and_bookmarks_come_in_order_and_odd_objects_are_passed_over()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (_, context) =>
            {
                await context.EventAsync("ADDED", Answers.Map("a", "1"));
                await context.EventAsync("MODIFIED", """{"metadata":"odd"}""");
                await context.LineAsync("""{"object":{"metadata":{"name":"late","resourceVersion":"2"}},"type":"DELETED"}""");
                await context.EventAsync(
                    "BOOKMARK",
                    """{"metadata":{"resourceVersion":"8","annotations":{"k8s.io/initial-events-end":"true"}}}"""
                );
            }
        );
        using KubeClient client = server.Client();
        List<WatchEvent<V1ConfigMap>> seen = await ReadAsync(client);
        seen.Where(e => e.Object.Metadata.ResourceVersion.Length > 0)
            .Select(e => (e.Type, e.Object.Metadata.ResourceVersion, e.IsInitialEnd))
            .Should()
            .Equal((WatchEventType.Added, "1", false), (WatchEventType.Deleted, "2", false), (WatchEventType.Bookmark, "8", true));
        server
            .Requests.Single()
            .Query.Should()
            .MatchRegex("allowWatchBookmarks=true&timeoutSeconds=([3-5][0-9][0-9]|600)&resourceVersion=1$");
    }

    [Fact]
    public async Task Managed_fields_and_text_around_an_object_do_not_change_it()
    {
        const string managed = """
            "managedFields":[{"fieldsV1":{"f:data":{"f:a]\"}":{}}},"manager":"[{"}]
            """;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (_, context) =>
            {
                await context.EventAsync("ADDED", $$$"""{"metadata":{"name":"a","resourceVersion":"1",{{{managed}}} },"data":{"k":"1"}}""");
                await context.LineAsync(
                    $$$"""{"type":"MODIFIED","object":{"metadata":{ {{{managed}}},"name":"a","resourceVersion":"2"},"data":{"k":"2"}},"more":[{"x":"}"}]}"""
                );
                await context.EventAsync(
                    "MODIFIED",
                    """{"metadata":{"name":"a","resourceVersion":"3","managedFields":[]},"data":{"k":"{\"managedFields\":[1,2]}"}}"""
                );
            }
        );
        using KubeClient client = server.Client();
        List<WatchEvent<V1ConfigMap>> seen = await ReadAsync(client);
        seen.Select(e => (e.Object.Metadata.ResourceVersion, e.Object.Data["k"]))
            .Should()
            .Equal(("1", "1"), ("2", "2"), ("3", """{"managedFields":[1,2]}"""));
    }

    [Fact]
    public async Task Watch_without_events_ends_after_the_idle_time()
    {
        VirtualTimeProvider clock = new();
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (_, context) =>
            {
                await context.EventAsync("ADDED", Answers.Map("a", "1"));
                await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock, WatchIdleTimeout = TimeSpan.FromMinutes(3) });
        List<WatchEvent<V1ConfigMap>> seen = [];
        Task reading = Task.Run(async () =>
        {
            await foreach (
                WatchEvent<V1ConfigMap> change in client.WatchAsync<V1ConfigMap>(new WatchOptions { ResourceVersion = "1" }, default)
            )
                seen.Add(change);
        });
        await Until.TrueAsync(() => seen.Count == 1, "the first event");
        await Until.TrueAsync(() => reading.IsCompleted, "the end", () => clock.Advance(TimeSpan.FromMinutes(1)));
        await reading;
    }

    private static async Task<List<WatchEvent<V1ConfigMap>>> ReadAsync(KubeClient client)
    {
        List<WatchEvent<V1ConfigMap>> seen = [];
        await foreach (
            WatchEvent<V1ConfigMap> change in client.WatchAsync<V1ConfigMap>(new WatchOptions { ResourceVersion = "1" }, default)
        )
            seen.Add(change);
        return seen;
    }
}
