"""The fields that the exchange documents, by the Struct that holds them.

v5: the repository of its documentation at commit 072c197d, docs/v5/websocket. v2: the retired documents of inverse and
linear, and of instruments the frames of 2021 to 2023, which hold more than they say.
"""

from msgspec import Struct

from depthwire.bybit.v2 import messages, private, public
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public

DOCUMENTED: dict[type[Struct], str] = {
    v5_public.Trade: """
        T s S v p L i BT RPI seq mP iP mIv iv
    """,
    v5_public.Ticker: """
        symbol tickDirection price24hPcnt lastPrice prevPrice24h highPrice24h lowPrice24h prevPrice1h markPrice
        indexPrice openInterest openInterestValue singleOpenInterest singleOpenInterestValue turnover24h
        volume24h nextFundingTime fundingRate bid1Price bid1Size ask1Price ask1Size deliveryTime basisRate
        deliveryFeeRate predictedDeliveryPrice preOpenPrice preQty curPreListingPhase fundingIntervalHour
        fundingCap basisRateYear bidPrice bidSize bidIv askPrice askSize askIv markPriceIv underlyingPrice
        totalVolume totalTurnover delta gamma vega theta change24h usdIndexPrice
    """,
    v5_public.Kline: """
        start end interval open close high low volume turnover confirm timestamp
    """,
    v5_public.Liquidation: """
        T s S v p
    """,
    v5_public.Insurance: """
        coin symbols balance updateTime
    """,
    v5_private.Order: """
        category orderId orderLinkId parentOrderLinkId isLeverage blockTradeId symbol price brokerOrderPrice qty
        side positionIdx orderStatus createType cancelType rejectReason avgPrice leavesQty leavesValue
        cumExecQty cumExecValue cumExecFee closedPnl feeCurrency timeInForce orderType stopOrderType
        ocoTriggerBy orderIv marketUnit slippageToleranceType slippageTolerance triggerPrice takeProfit stopLoss
        tpslMode tpLimitPrice slLimitPrice tpTriggerBy slTriggerBy triggerDirection triggerBy lastPriceOnCreated
        reduceOnly closeOnTrigger placeType smpType smpGroup smpOrderId createdTime updatedTime cumFeeDetail
        rpiTakerAccess rpiMatchedQty
    """,
    v5_private.Execution: """
        category symbol isLeverage orderId orderLinkId side orderPrice orderQty leavesQty createType orderType
        stopOrderType execFee execId execPrice execQty execPnl execType execValue execTime isMaker feeRate
        tradeIv markIv markPrice indexPrice underlyingPrice blockTradeId closedSize extraFees seq feeCurrency
        marketUnit
    """,
    v5_private.Fee: """
        feeCoin feeType subFeeType feeRate fee
    """,
    v5_private.FastExecution: """
        category symbol orderId isMaker orderLinkId execId execPrice execQty side execTime seq
    """,
    v5_private.Position: """
        category symbol side size positionIdx positionValue riskId riskLimitValue entryPrice markPrice leverage
        breakEvenPrice autoAddMargin positionIM positionMM liqPrice takeProfit stopLoss trailingStop
        unrealisedPnl curRealisedPnl sessionAvgPrice delta gamma vega theta cumRealisedPnl positionStatus
        adlRankIndicator isReduceOnly createdTime updatedTime openTime seq mmrSysUpdatedTime
        leverageSysUpdatedTime positionIMByMp positionMMByMp tpslMode bustPrice positionBalance tradeMode
    """,
    v5_private.Wallet: """
        accountType accountIMRate accountMMRate totalEquity totalWalletBalance totalMarginBalance
        totalAvailableBalance totalPerpUPL totalInitialMargin totalMaintenanceMargin accountIMRateByMp
        accountMMRateByMp totalInitialMarginByMp totalMaintenanceMarginByMp accountLTV coin
    """,
    v5_private.CoinBalance: """
        coin equity usdValue walletBalance locked spotHedgingQty borrowAmount accruedInterest totalOrderIM
        totalPositionIM totalPositionMM unrealisedPnl cumRealisedPnl bonus collateralSwitch marginCollateral
        colRes spotBorrow free availableToBorrow availableToWithdraw
    """,
    v5_private.Greeks: """
        baseCoin totalDelta totalGamma totalVega totalTheta
    """,
    messages.Trade: """
        timestamp trade_time_ms symbol side size price tick_direction trade_id cross_seq
    """,
    public.Insurance: """
        currency timestamp wallet_balance
    """,
    public.InstrumentInfo: """
        id symbol last_price_e4 last_price bid1_price_e4 bid1_price ask1_price_e4 ask1_price last_tick_direction
        prev_price_24h_e4 prev_price_24h price_24h_pcnt_e6 high_price_24h_e4 high_price_24h low_price_24h_e4
        low_price_24h prev_price_1h_e4 prev_price_1h price_1h_pcnt_e6 mark_price_e4 mark_price index_price_e4
        index_price open_interest open_value_e8 total_turnover_e8 turnover_24h_e8 total_volume volume_24h
        funding_rate_e6 predicted_funding_rate_e6 cross_seq created_at updated_at next_funding_time
        countdown_hour
    """,
    public.Kline: """
        start end open close high low volume turnover confirm cross_seq timestamp
    """,
    public.Liquidation: """
        symbol side price qty time
    """,
    private.Position: """
        user_id symbol size side position_value entry_price liq_price bust_price leverage order_margin
        position_margin available_balance take_profit tp_trigger_by stop_loss sl_trigger_by realised_pnl
        trailing_stop trailing_active wallet_balance risk_id occ_closing_fee occ_funding_fee auto_add_margin
        cum_realised_pnl position_status position_seq is_isolated
    """,
    private.Execution: """
        symbol side order_id exec_id order_link_id price order_qty exec_type exec_qty exec_fee leaves_qty
        is_maker trade_time
    """,
    private.Order: """
        order_id order_link_id symbol side order_type price qty time_in_force create_type cancel_type
        order_status leaves_qty cum_exec_qty cum_exec_value cum_exec_fee timestamp take_profit stop_loss
        trailing_stop trailing_active last_exec_price reduce_only close_on_trigger tp_trigger_by sl_trigger_by
    """,
    private.StopOrder: """
        order_id order_link_id user_id symbol side order_type price qty time_in_force create_type cancel_type
        order_status stop_order_type trigger_by trigger_price close_on_trigger timestamp take_profit stop_loss
    """,
    private.Wallet: """
        wallet_balance available_balance user_id coin
    """,
}
RECORDED_OF_INSTRUMENTS = """
    symbol_name symbol_year contract_type coin quote_symbol mode is_up_borrowable import_time_e9 start_trading_time_e9
    time_to_settle settle_time_e9 settle_fee_rate_e8 contract_status system_subsidy_e8 fair_basis_e8 fair_basis_rate_e8
    basis_in_year_e8 expect_price_e4 expect_price created_at_e9 updated_at_e9 delisting_status funding_rate_interval
    count_down_hour open_interest_e8 total_volume_e8 volume_24h_e8
"""
ENVELOPES = {  # what is next to a frame's events; `type` adds nothing to the topic
    "v2": {"topic", "data", "action", "timestamp_e6", "generated"},
    "v5": {"topic", "data", "id", "creationTime", "ts", "type"},
}
