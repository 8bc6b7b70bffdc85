using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Core.Planning;
using Bursar.Core.Prices;
using Bursar.Hosting;
using Bursar.Kubernetes.Crds;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar plan</c>: answers planning questions from the user's own numbers, with the formulas shown. Needs no cluster.
/// </summary>
internal static class PlanCommand
{
    private static readonly string[] Forms = ["table", "json", "yaml", "csv"];

    public static Command Create() =>
        new("plan", "Calculate what GPU workloads will cost, with the formulas shown. Needs no cluster.")
        {
            CreateRequest(),
            CreateTraining(),
            CreateOwn(),
            CreatePayback(),
            CreateTokens(),
            CreateGate(),
        };

    private static Command CreateRequest()
    {
        var price = new PriceOptions("GPUs of one replica.");
        var seconds = Number("--seconds", "GPU time of one request, in seconds.");
        var atOnce = Count("--at-once", "Requests that a replica serves at the same time, as in a batch.");
        var tokens = Number("--tokens", "The tokens of a request, for a service that is paid by tokens; with --per-1000-tokens.");
        var perThousand = Number("--per-1000-tokens", "The price of 1,000 tokens.");
        var perDay = Number("--per-day", "Requests per day.");
        var days = Count("--days", "The days of a month.", 30);
        var command = new Command("request", "Cost of a request and of a month of requests, by GPU time or by tokens.")
        {
            seconds,
            atOnce,
            tokens,
            perThousand,
            perDay,
            days,
        };
        price.AddTo(command);
        command.Validators.Add(result =>
        {
            var isByTokens = IsGiven(result, tokens) || IsGiven(result, perThousand);
            if (isByTokens ? !IsGiven(result, tokens) || !IsGiven(result, perThousand) : !IsGiven(result, seconds))
                result.AddError("Either --seconds and a price of the GPU are needed, or --tokens and --per-1000-tokens.");
            else if (isByTokens && (IsGiven(result, seconds) || price.IsGivenIn(result)))
                result.AddError("A request is paid by GPU time or by tokens, not by both.");
        });
        return WithAction(command, price.Currency, parsed =>
            parsed.GetValue(tokens) is { } count
                ? Plans.TokenRequest(
                    price.CurrencyOf(parsed),
                    count,
                    parsed.GetValue(perThousand)!.Value,
                    parsed.GetValue(perDay),
                    parsed.GetValue(days)
                )
                : Plans.Request(
                    price.CurrencyOf(parsed),
                    price.PerHour(parsed),
                    parsed.GetValue(price.Gpus),
                    parsed.GetValue(seconds)!.Value,
                    parsed.GetValue(atOnce),
                    parsed.GetValue(perDay),
                    parsed.GetValue(days)
                )
        );
    }

    private static Command CreateTraining()
    {
        var price = new PriceOptions("GPUs of the run.");
        var step = Number("--step-seconds", "The time of a step, as 0.09 for 90 ms.", isRequired: true);
        var steps = Number("--steps", "The steps of the run.", isRequired: true);
        var command = new Command("training", "Duration and cost of a training run.") { step, steps };
        price.AddTo(command);
        return WithAction(command, price.Currency, parsed =>
            Plans.Training(
                price.CurrencyOf(parsed),
                price.PerHour(parsed),
                parsed.GetValue(price.Gpus),
                parsed.GetValue(step)!.Value,
                parsed.GetValue(steps)!.Value
            )
        );
    }

    private static Command CreateOwn()
    {
        var price = new PriceOptions("Number of rented GPUs. --purchase is the price of all owned ones.");
        var purchase = Number("--purchase", "The price of the hardware.", isRequired: true);
        var owned = Number("--yearly", "Power, space, repairs and staff per year.", mayBeZero: true);
        var other = Number("--other", "Further one-time cost of owning, such as depreciation.", mayBeZero: true);
        var hours = Number("--hours-per-year", "Hours per year for which GPUs are rented; by default all 8760.", mayBeZero: true);
        var running = Number("--rented-yearly", "Cost per year of running what is rented, besides the rent.", mayBeZero: true);
        var years = Number("--years", "Years to compare; by default 1.");
        var command = new Command("own", "Compare owned hardware with rented GPUs over years.")
        {
            purchase,
            owned,
            other,
            hours,
            running,
            years,
        };
        price.AddTo(command);
        return WithAction(command, price.Currency, parsed =>
            Plans.Own(
                price.CurrencyOf(parsed),
                parsed.GetValue(purchase)!.Value,
                parsed.GetValue(owned) ?? 0,
                parsed.GetValue(other) ?? 0,
                price.PerHour(parsed) * parsed.GetValue(price.Gpus) * (parsed.GetValue(hours) ?? 8760),
                parsed.GetValue(running) ?? 0,
                parsed.GetValue(years) ?? 1
            )
        );
    }

    private static Command CreatePayback()
    {
        var currency = CurrencyOption();
        var cost = Number("--cost", "The cost of the change, once.", isRequired: true, mayBeZero: true);
        var before = Number("--monthly-before", "The bill of a month without the change.", isRequired: true, mayBeZero: true);
        var after = Number(
            "--monthly-after",
            "The bill of a month with the change; by default 0, so that --monthly-before is the saving.",
            mayBeZero: true
        );
        var command = new Command("payback", "Months until a saving has paid for its cost. Exit code 1 if it never does.")
        {
            cost,
            before,
            after,
        };
        return WithAction(command, currency, parsed =>
            Plans.Payback(
                parsed.GetRequiredValue(currency),
                parsed.GetValue(cost)!.Value,
                parsed.GetValue(before)!.Value,
                parsed.GetValue(after) ?? 0
            )
        );
    }

    private static Command CreateTokens()
    {
        var prices = new PriceOptions("GPUs.");
        var cards = new Option<Card[]>("--card")
        {
            Description =
                "A card as NAME=PRICE,TOKENS: its price per hour and its tokens per second, as A10=0.75,80. May be repeated. Left out: the cards whose speed is known, with the prices of --list or --prices.",
            CustomParser = ReadCards,
        };
        var command = new Command("tokens", "Compare cards by tokens per unit of money.") { cards };
        prices.AddListTo(command);
        command.Validators.Add(result =>
        {
            if (IsGiven(result, prices.Currency) && !IsGiven(result, cards))
                result.AddError("A price list has its own currency; --currency is for --card.");
        });
        return WithAction(command, prices.Currency, parsed =>
        {
            var given = parsed.GetValue(cards) is { Length: > 0 };
            var chosen = given ? parsed.GetValue(cards)! : prices.KnownCards(parsed);
            return Plans.Tokens(given ? parsed.GetRequiredValue(prices.Currency) : prices.BookCurrency(parsed), chosen);
        });
    }

    private static Command CreateGate()
    {
        var currency = CurrencyOption();
        var accuracyBefore = Number("--accuracy-before", "Accuracy of the old model, in percent.", isRequired: true, mayBeZero: true);
        var accuracyAfter = Number("--accuracy-after", "Accuracy of the new model, in percent.", isRequired: true, mayBeZero: true);
        var costBefore = Number("--cost-before", "Cost of some amount of work, as 1,000 requests, with the old model.", isRequired: true);
        var costAfter = Number("--cost-after", "Cost of the same work with the new model.", isRequired: true, mayBeZero: true);
        var minPoints = Number("--min-points", "The percentage points that must be gained; by default 2.", mayBeZero: true);
        var maxPercent = Number("--max-percent", "The cost in percent that may be added; by default 20.", mayBeZero: true);
        var command = new Command("gate", "Check whether a new model may go live: accuracy gained against cost added. Exit code 1 if not.")
        {
            accuracyBefore,
            accuracyAfter,
            costBefore,
            costAfter,
            minPoints,
            maxPercent,
        };
        return WithAction(command, currency, parsed =>
            Plans.Gate(
                parsed.GetValue(accuracyBefore)!.Value,
                parsed.GetValue(accuracyAfter)!.Value,
                parsed.GetValue(costBefore)!.Value,
                parsed.GetValue(costAfter)!.Value,
                parsed.GetValue(minPoints) ?? 2,
                parsed.GetValue(maxPercent) ?? 20
            )
        );
    }

    private static Command WithAction(Command command, Option<string> currency, Func<ParseResult, Plan> calculate)
    {
        var form = new Option<string>("--output", "-o")
        {
            Description = $"{string.Join(", ", Forms[..^1])} or {Forms[^1]}.",
            DefaultValueFactory = _ => Forms[0],
        };
        form.AcceptOnlyFromAmong(Forms);
        command.Add(form);
        if (!command.Options.Contains(currency))
            command.Add(currency);
        command.SetAction(parsed =>
        {
            Plan plan;
            try
            {
                plan = calculate(parsed);
            }
            catch (OverflowException)
            {
                throw new UsageException("the numbers are too large to calculate with.");
            }
            parsed.InvocationConfiguration.Output.Write(Write(plan, parsed.GetRequiredValue(form)));
            return plan.Passes == false ? CommandLine.Failed : 0;
        });
        return command;
    }

    internal static string Write(Plan plan, string form)
    {
        var text = new StringBuilder();
        if (form == "table")
        {
            var name = plan.Lines.Max(line => line.Name.Length);
            var value = plan.Lines.Max(line => line.Text.Length);
            var unit = plan.Lines.Max(line => line.Unit.Length);
            foreach (var line in plan.Lines)
                text.Append($"{line.Name.PadRight(name)}  {line.Text.PadLeft(value)} {line.Unit.PadRight(unit)}  = {line.Formula}\n");
            if (plan.Passes is { } passes)
                text.Append($"{plan.Question}: {(passes ? "yes" : "no")}\n");
            return text.ToString();
        }
        if (form == "csv")
        {
            RowText.AppendCsv(text, ["name", "value", "unit", "formula"]);
            foreach (var line in plan.Lines)
                RowText.AppendCsv(text, [line.Name, Exact(line), line.Unit, line.Formula]);
            return text.ToString();
        }
        var node = new JsonObject
        {
            ["lines"] = new JsonArray([
                .. plan.Lines.Select(line => new JsonObject
                {
                    ["name"] = line.Name,
                    ["value"] = Exact(line),
                    ["unit"] = line.Unit,
                    ["formula"] = line.Formula,
                }),
            ]),
        };
        if (plan.Passes is { } answer)
            node["passes"] = answer;
        return form == "yaml" ? YamlText.Write(node).TrimEnd() + "\n" : node.ToJsonString(ReadableJson) + "\n";
    }

    private static readonly System.Text.Json.JsonSerializerOptions ReadableJson = new()
    {
        WriteIndented = true,
        // The output is a terminal or a file, not a web page, so × stays readable.
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Formats the value for programs, with at most twelve places.</summary>
    private static string Exact(PlanLine line) => line.Value.ToString("0.############", CultureInfo.InvariantCulture);

    /// <summary>Whether the user gave the option. Its value may be invalid, so validators cannot read it.</summary>
    private static bool IsGiven(CommandResult result, Option option) => result.GetResult(option) is { Implicit: false };

    private static Option<decimal?> Number(string name, string description, bool isRequired = false, bool mayBeZero = false) =>
        new(name)
        {
            Description = description,
            Required = isRequired,
            CustomParser = result =>
            {
                if (DecimalText.TryParse(result.Tokens.SingleOrDefault()?.Value, out var value) && (mayBeZero || value > 0))
                    return value;
                result.AddError($"{name} is a number {(mayBeZero ? "from 0" : "above 0")}, such as 0.75, with up to nine places.");
                return null;
            },
        };

    private static Option<int> Count(string name, string description, int otherwise = 1) =>
        new(name)
        {
            Description = description,
            DefaultValueFactory = _ => otherwise,
            CustomParser = result =>
            {
                if (
                    int.TryParse(result.Tokens.SingleOrDefault()?.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                    && value is >= 1 and <= 1_000_000
                )
                    return value;
                result.AddError($"{name} is a whole number from 1 to 1000000.");
                return otherwise;
            },
        };

    private static Option<string> CurrencyOption()
    {
        var option = new Option<string>("--currency")
        {
            Description = "The currency of the prices that you give. A price list has its own; nothing is converted.",
            DefaultValueFactory = _ => DefaultPriceBook.Currency,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is not { Length: 3 } text || !text.All(char.IsAsciiLetterUpper))
                result.AddError("--currency is three capital letters, as USD.");
        });
        return option;
    }

    private static Card[]? ReadCards(ArgumentResult result)
    {
        var cards = new List<Card>();
        foreach (var token in result.Tokens)
            if (
                token.Value.Split('=') is [{ Length: > 0 } name, var numbers]
                && numbers.Split(',') is [var price, var tokens]
                && DecimalText.TryParse(price, out var perHour)
                && perHour > 0
                && DecimalText.TryParse(tokens, out var perSecond)
                && perSecond > 0
            )
                cards.Add(new(name, perHour, perSecond));
            else
                result.AddError($"\"{token.Value}\" is not NAME=PRICE,TOKENS, as A10=0.75,80.");
        return [.. cards];
    }

    /// <summary>The options that give the price of a GPU: a number, or a card and a list of prices.</summary>
    private sealed class PriceOptions(string gpus)
    {
        private readonly Option<decimal?> _perHour = Number("--price", "The price of one GPU for an hour.");
        private readonly Option<string?> _card = new("--gpu")
        {
            Description = "The card, as A10 or NVIDIA-H100-80GB-HBM3: its price in --list or --prices.",
        };
        private readonly Option<string> _list = new("--list")
        {
            Description = "The built-in list of prices: public (dated list prices) or founding (the rates of two articles).",
            DefaultValueFactory = _ => "public",
        };
        private readonly Option<FileInfo?> _prices = new("--prices") { Description = "A GpuPriceBook (YAML or JSON) instead of --list." };

        public Option<int> Gpus { get; } = Count("--gpus", gpus);

        public Option<string> Currency { get; } = CurrencyOption();

        public void AddTo(Command command)
        {
            command.Add(_perHour);
            command.Add(_card);
            command.Add(Gpus);
            AddListTo(command);
            command.Validators.Add(result =>
            {
                if (IsGiven(result, _card) && IsGiven(result, Currency))
                    result.AddError("A price list has its own currency; --currency is for --price.");
                else if (IsGiven(result, _perHour) && IsGiven(result, _card))
                    result.AddError("--price and --gpu both give a price; one of them is needed.");
            });
        }

        public void AddListTo(Command command)
        {
            _list.AcceptOnlyFromAmong("public", "founding");
            command.Add(_list);
            command.Add(_prices);
        }

        public bool IsGivenIn(CommandResult result) => IsGiven(result, _perHour) || IsGiven(result, _card);

        public string CurrencyOf(ParseResult parsed) =>
            parsed.GetValue(_card) is not null ? BookCurrency(parsed) : parsed.GetRequiredValue(Currency);

        public string BookCurrency(ParseResult parsed) => Book(parsed).Currency;

        public decimal PerHour(ParseResult parsed)
        {
            if (parsed.GetValue(_perHour) is { } given)
                return given;
            var card = parsed.GetValue(_card) ?? throw new UsageException("the price of the GPU is missing: give --price or --gpu.");
            var book = Book(parsed);
            return (book.RateFor(card) ?? book.RateFor($"NVIDIA-{card}")) is { } rate
                ? Decimal(rate)
                : throw new CommandException($"{Source(parsed)} has no price for {card}; give --price.");
        }

        /// <summary>Returns the cards whose tokens per second are known, with their prices.</summary>
        public IReadOnlyList<Card> KnownCards(ParseResult parsed)
        {
            var book = Book(parsed);
            Card[] cards =
            [
                .. GpuModel
                    .All.Where(model => model.TokensPerSecond is not null)
                    .Select(model => (model, rate: book.RateFor(model.Product)))
                    .Where(pair => pair.rate is { NanoPerGpuHour: > 0 })
                    .Select(pair => new Card(pair.model.Product, Decimal(pair.rate!.Value), pair.model.TokensPerSecond!.Value)),
            ];
            return cards.Length > 0
                ? cards
                : throw new CommandException($"{Source(parsed)} has no price for a card whose speed is known; give --card.");
        }

        private PriceBook Book(ParseResult parsed) =>
            parsed.GetValue(_prices) is { } file ? ManifestFile.ReadPriceBook(file)
            : parsed.GetRequiredValue(_list) == "founding" ? DefaultPriceBook.Founding
            : DefaultPriceBook.Book;

        private string Source(ParseResult parsed) =>
            parsed.GetValue(_prices) is { } file ? $"the price book in {file.Name}" : $"the {parsed.GetRequiredValue(_list)} list";

        private static decimal Decimal(GpuHourPrice price) => price.NanoPerGpuHour / 1_000_000_000m;
    }
}
