using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.Integration.Kubernetes;

public class ListTests
{
    [Fact]
    public async Task Pages_are_joined_and_the_last_version_counts()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (asked, context) =>
                context.JsonAsync(
                    asked.Query.Contains("continue=next", StringComparison.Ordinal)
                        ? Answers.List("9", Answers.Map("c", "3"))
                        : """{"metadata":{"resourceVersion":"9","continue":"next","remainingItemCount":1},"items":["""
                            + Answers.Map("a", "1")
                            + ", \n"
                            + Answers.Map("b", "2")
                            + "]}"
                )
        );
        using KubeClient client = server.Client();

        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(
            new ListOptions
            {
                Namespace = "a",
                LabelSelector = "x in (y)",
                Limit = 2,
            },
            default
        );

        list.Items.Select(item => item.Metadata.Name).Should().Equal("a", "b", "c");
        list.ResourceVersion.Should().Be("9");
        server
            .Requests.Select(asked => asked.Query)
            .Should()
            .Equal("?labelSelector=x%20in%20%28y%29&limit=2", "?labelSelector=x%20in%20%28y%29&limit=2&continue=next");
    }

    [Fact]
    public async Task Next_page_is_requested_before_the_items_of_this_one_have_arrived()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (request, context) =>
            {
                if (request.Query.Contains("continue=next", StringComparison.Ordinal))
                {
                    asked.SetResult();
                    await context.JsonAsync(Answers.List("9", Answers.Map("b", "2")));
                    return;
                }

                await context.Response.WriteAsync("""{"metadata":{"resourceVersion":"9","continue":"next"},"items":[""");
                await context.Response.Body.FlushAsync();
                await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
                await context.Response.WriteAsync(Answers.Map("a", "1") + "]}");
            }
        );
        using KubeClient client = server.Client();

        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(new ListOptions(), default);

        list.Items.Select(item => item.Metadata.Name).Should().Equal("a", "b");
    }

    [Fact]
    public async Task Page_cut_after_the_next_was_requested_is_read_again_without_duplicates()
    {
        int tries = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (request, context) =>
            {
                if (request.Query.Contains("continue=next", StringComparison.Ordinal))
                {
                    await context.JsonAsync(Answers.List("9", Answers.Map("c", "3")));
                    return;
                }

                await context.Response.WriteAsync(
                    """{"metadata":{"resourceVersion":"9","continue":"next"},"items":[""" + Answers.Map("a", "1") + ","
                );
                await context.Response.Body.FlushAsync();
                if (Interlocked.Increment(ref tries) == 1)
                    context.Abort();
                else
                    await context.Response.WriteAsync(Answers.Map("b", "2") + "]}");
            }
        );
        using KubeClient client = server.Client();

        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(new ListOptions(), default);

        list.Items.Select(item => item.Metadata.Name).Should().Equal("a", "b", "c");
        tries.Should().Be(2);
    }

    [Fact]
    public async Task List_that_the_server_forgot_half_way_starts_again()
    {
        int tries = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (asked, context) =>
            {
                if (asked.Query.Contains("continue=", StringComparison.Ordinal))
                {
                    return tries == 1 ? context.StatusAsync(410, "Expired") : context.JsonAsync(Answers.List("20", Answers.Map("b", "20")));
                }

                tries++;
                return context.JsonAsync(
                    """{"items":[""" + Answers.Map("a", tries.ToString()) + """],"metadata":{"continue":"t","resourceVersion":"1"}}"""
                );
            }
        );
        using KubeClient client = server.Client();

        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(new ListOptions(), default);

        list.Items.Select(item => (item.Metadata.Name, item.Metadata.ResourceVersion)).Should().Equal(("a", "2"), ("b", "20"));
    }

    [Theory]
    [InlineData("""{"kind":"X","items":null,"metadata":{"resourceVersion":"5"}}""", 0)]
    [InlineData("""{"items":[],"metadata":{"resourceVersion":"5"}}""", 0)]
    [InlineData(
        """{ "extra" : {"items":[1,"]}\\\""]} , "items" : [ {"metadata":{"name":"q\"}]"}} ] , "n" : 12 , "metadata" : {"resourceVersion":"5"} }""",
        1
    )]
    public async Task Envelopes_of_any_order_and_spacing_are_read(string body, int count)
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync((_, context) => context.JsonAsync(body));
        using KubeClient client = server.Client();
        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(new ListOptions(), default);
        list.Items.Should().HaveCount(count);
        list.ResourceVersion.Should().Be("5");
    }

    [Fact]
    public async Task Value_cut_anywhere_by_the_network_is_put_together()
    {
        string body = Answers.List("7", Answers.Map("a", "1"), """{"metadata":{"name":"b\\\"{ä"},"data":{"k":"}]\\"}}""");
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (_, context) =>
            {
                foreach (byte b in System.Text.Encoding.UTF8.GetBytes(body))
                {
                    await context.Response.Body.WriteAsync(new[] { b });
                    await context.Response.Body.FlushAsync();
                }
            }
        );
        using KubeClient client = server.Client();
        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(new ListOptions(), default);
        list.Items.Select(item => item.Metadata.Name).Should().Equal("a", "b\\\"{ä");
        list.Items[1].Data["k"].Should().Be("}]\\");
    }

    [Fact]
    public async Task Odd_object_of_a_list_is_delivered_without_its_odd_field()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) =>
                context.JsonAsync(
                    """{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"bad"},"spec":{"replicas":"many"}},{"metadata":{"name":"good"},"spec":{"replicas":3}}]}"""
                )
        );
        using KubeClient client = server.Client();
        KubeList<V1Deployment> list = await client.ListAsync<V1Deployment>(new ListOptions(), default);
        list.Items.Select(item => (item.Metadata.Name, item.Spec.Replicas, item.Metadata.IsUnreadable))
            .Should()
            .Equal(("bad", null, true), ("good", 3, false));
    }

    [Fact]
    public async Task Page_that_breaks_off_is_requested_again()
    {
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (_, context) =>
            {
                string whole = Answers.List("3", Answers.Map("a", "1"), Answers.Map("b", "2"));
                if (Interlocked.Increment(ref asked) == 1)
                {
                    context.Response.ContentLength = whole.Length;
                    await context.Response.Body.WriteAsync(System.Text.Encoding.UTF8.GetBytes(whole[..150]));
                    await context.Response.Body.FlushAsync();
                    context.Abort();
                    return;
                }

                await context.JsonAsync(whole);
            }
        );
        using KubeClient client = server.Client();
        KubeList<V1ConfigMap> list = await client.ListAsync<V1ConfigMap>(new ListOptions(), default);
        list.Items.Select(item => item.Metadata.Name).Should().Equal("a", "b");
    }
}
